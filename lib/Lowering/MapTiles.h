//===- MapTiles.h - Kernels to loops for a target -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The two ways in which stages become loops.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_LOWERING_MAPTILES_H
#define KEOPS_LIB_LOWERING_MAPTILES_H

#include "keops/Dialect/Keops.h"

namespace keops {

/// Replaces a scheduled kernel by `<name>_accumulate` and `<name>_finalize`,
/// and writes the launch rule on the first.
void mapTilesToCPU(KernelOp kernel);

/// Replaces a scheduled kernel by a `gpu.module`; fails on what the GPU path
/// does not take, saying so.
mlir::LogicalResult mapTilesToGPU(KernelOp kernel, TargetAttr target);

} // namespace keops

#endif // KEOPS_LIB_LOWERING_MAPTILES_H
