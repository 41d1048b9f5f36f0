//===- CompileGPU.h - Formula IR to PTX and its launch rules -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What `compile` does for targets whose code is PTX.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_COMPILER_COMPILEGPU_H
#define KEOPS_COMPILER_COMPILEGPU_H

#include "keops/Compiler/Compiler.h"

namespace keops {

/// Formula module to PTX and launch rules. The module is consumed.
llvm::Expected<runtime::Artifact> compileForGPU(mlir::ModuleOp module, const CompilerOptions &options);

} // namespace keops

#endif // KEOPS_COMPILER_COMPILEGPU_H
