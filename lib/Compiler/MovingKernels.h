//===- MovingKernels.h - Steps that move rows, as kernels -------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// On a GPU rows do not leave the device between the passes of a program.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_COMPILER_MOVINGKERNELS_H
#define KEOPS_COMPILER_MOVINGKERNELS_H

#include "keops/Runtime/Artifact.h"

#include "mlir/IR/BuiltinOps.h"

namespace keops {

/// Gives each step of the artifact that moves rows a kernel, whose code goes into `module`, in a `gpu.module` of its
/// own, and whose rule goes to the end of the artifact's kernels. Steps of the same types and dimensions share the
/// code.
void addMovingKernels(mlir::ModuleOp module, runtime::Artifact &artifact);

} // namespace keops

#endif // KEOPS_COMPILER_MOVINGKERNELS_H
