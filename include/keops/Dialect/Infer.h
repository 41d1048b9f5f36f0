//===- Infer.h - Rules shared by op families ---------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The broadcasting rule of the language, and which reductions serve components,
// each in its one place.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_INFER_H
#define KEOPS_DIALECT_INFER_H

#include "keops/Dialect/Keops.h"

namespace keops {

/// Dimensions equal or 1, the union of the index sets, one type of number.
/// `element`, if given, replaces the numbers' type in the result.
mlir::LogicalResult inferBroadcast(std::optional<mlir::Location> loc, mlir::ValueRange operands, mlir::Type element,
                                   VecType &result);

/// The component of `operand` that goes into component `d` of the result.
LaneIndex broadcastPosition(mlir::Value operand, LaneIndex d);

/// Checks that `reduction`, of one scalar per component, gives one scalar.
mlir::LogicalResult verifyReductionOfComponents(mlir::Operation *op, ReductionInterface reduction);

} // namespace keops

#endif // KEOPS_DIALECT_INFER_H
