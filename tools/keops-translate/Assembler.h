//===- Assembler.h - PTX to machine code of a GPU ---------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// NVIDIA's assembler is a program that a machine may have.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TOOLS_TRANSLATE_ASSEMBLER_H
#define KEOPS_TOOLS_TRANSLATE_ASSEMBLER_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace keops::translate {

/// Machine code of the processor `target`, such as sm_90, from PTX. Fails if
/// there is no assembler, or if it refuses.
llvm::Expected<std::string> assemble(llvm::StringRef ptx, llvm::StringRef target);

} // namespace keops::translate

#endif // KEOPS_TOOLS_TRANSLATE_ASSEMBLER_H
