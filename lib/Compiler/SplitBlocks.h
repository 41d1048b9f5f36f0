//===- SplitBlocks.h - Long blocks in parts -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Code generation takes a block at a time, in time that grows faster than the
// block: a formula of thousands of operations is one block.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_COMPILER_SPLITBLOCKS_H
#define KEOPS_COMPILER_SPLITBLOCKS_H

#include "llvm/IR/Module.h"

namespace keops {

/// Cuts blocks that are much longer than code generation likes. For code that
/// is optimised already: later passes would put the parts together again.
void splitLongBlocks(llvm::Module &module, int64_t vectorBits);

} // namespace keops

#endif // KEOPS_COMPILER_SPLITBLOCKS_H
