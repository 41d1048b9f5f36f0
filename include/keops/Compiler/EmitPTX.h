//===- EmitPTX.h - A GPU module as PTX -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The last step to a GPU: text that the driver or `ptxas` assembles. It needs
// neither a device nor a CUDA installation.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_COMPILER_EMITPTX_H
#define KEOPS_COMPILER_EMITPTX_H

#include "keops/Dialect/Keops.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/Error.h"

namespace keops {

/// PTX for the kernels of `module`, from which keops-approximate-math has
/// removed every `math` op. `module` is left as it is. In f32 denormal numbers
/// are zero.
llvm::Expected<std::string> emitPTX(mlir::gpu::GPUModuleOp module, TargetAttr target);

/// The one GPU module of `module`, into which all others are moved; null if
/// there is none.
mlir::gpu::GPUModuleOp mergeGPUModules(mlir::ModuleOp module);

} // namespace keops

#endif // KEOPS_COMPILER_EMITPTX_H
