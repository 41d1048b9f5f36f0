//===- MovedRows.h - Kernels that move rows on a GPU ------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the steps of a program between its passes become on a GPU: `keops.gather`,
// `keops.scatter total`, and copies of arrays. Such a kernel computes nothing, so
// it depends on types and dimensions of arrays alone and has no schedule.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LOWERING_MOVEDROWS_H
#define KEOPS_LOWERING_MOVEDROWS_H

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace keops {

/// What is known of a move before it is launched.
struct MovedRows {
  enum class Kind { Gather, Scatter, Copy };
  Kind kind = Kind::Copy;
  mlir::Type from, to;   ///< elements of the arrays: f16, bf16, f32, f64 or i64
  int64_t dim = 1;       ///< components of a row of the result
  int64_t positions = 1; ///< numbers in a row of numbers
  int64_t groups = 1;

  bool operator==(const MovedRows &other) const {
    return kind == other.kind && from == other.from && to == other.to && dim == other.dim &&
           positions == other.positions && groups == other.groups;
  }
  /// Threads of a block, and the rows of the result that one handles.
  static constexpr int64_t threads = 128;
  int64_t rowsPerBlock() const;
};

/// Writes the kernel `name` to the end of `module`. That of a scatter has further functions, whose names begin with
/// this one; see Runtime/GpuScatter.cpp for how they are launched, and Runtime/GpuLaunch.cpp for the others.
void emitMovedRows(const MovedRows &rows, llvm::StringRef name, mlir::gpu::GPUModuleOp module);

} // namespace keops

#endif // KEOPS_LOWERING_MOVEDROWS_H
