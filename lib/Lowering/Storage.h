//===- Storage.h - How arrays hold numbers ----------------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arrays may hold numbers in 16 bits, f16 or bf16, while f32 is computed. They
// are widened where a kernel reads an array and rounded where it writes one, by
// instructions that every target has: f16 has its own, and bf16 is the upper
// half of an f32, whose rounding LLVM would leave to a library that few systems
// have. So it is written out in integers.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_LOWERING_STORAGE_H
#define KEOPS_LIB_LOWERING_STORAGE_H

#include "mlir/IR/Builders.h"

namespace keops {

/// The type in which an element of type `storage` is loaded and stored: i16 for f16 and bf16, else itself.
mlir::Type memoryType(mlir::Type storage);
/// The number of type `arithmeticType(storage)` that `loaded`, of type `memoryType(storage)`, stands for.
mlir::Value widen(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value loaded, mlir::Type storage);
/// The other way: rounded to nearest, ties to even; a NaN stays one.
mlir::Value narrow(mlir::OpBuilder &builder, mlir::Location loc, mlir::Value number, mlir::Type storage);
/// What a launch rule calls an array of `storage`: the number of its runtime::DType.
int64_t launchType(mlir::Type storage);

} // namespace keops

#endif // KEOPS_LIB_LOWERING_STORAGE_H
