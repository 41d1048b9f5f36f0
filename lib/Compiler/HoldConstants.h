//===- HoldConstants.h - Constants of loops stay where they are -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A register allocator that lacks registers throws constants out and makes them
// anew before each use, because it takes that to be free. Where making one is an
// instruction of its own, a copy in memory is better: an operation reads that as
// its operand.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_COMPILER_HOLDCONSTANTS_H
#define KEOPS_COMPILER_HOLDCONSTANTS_H

#include "llvm/IR/Module.h"

namespace keops {

/// Makes the vector constants of innermost loops unknown to code generation, once
/// per call of their function. For code that is optimised already.
void holdConstants(llvm::Module &module);

} // namespace keops

#endif // KEOPS_COMPILER_HOLDCONSTANTS_H
