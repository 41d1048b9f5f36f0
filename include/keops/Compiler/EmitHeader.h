//===- EmitHeader.h - A GPU kernel as a C++ header --------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// For programs that ship a kernel and no compiler.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_COMPILER_EMITHEADER_H
#define KEOPS_COMPILER_EMITHEADER_H

#include "keops/Runtime/Artifact.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

namespace keops {

/// A header that holds the PTX of `artifact`, which is one kernel, and the code
/// that launches it; all it includes is CUDA's driver header. Everything is in
/// the namespace `name`. `formula` is for people.
llvm::Expected<std::string> emitHeader(const runtime::Artifact &artifact, llvm::StringRef name,
                                       llvm::StringRef formula);

} // namespace keops

#endif // KEOPS_COMPILER_EMITHEADER_H
