//===- Arithmetic.h - What sums and products look like ----------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Asked of the ops' interface, whichever ops there are.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_ARITHMETIC_H
#define KEOPS_DIALECT_ARITHMETIC_H

#include "keops/Dialect/Keops.h"

namespace keops {

/// The sign of each operand of a sum; empty if `op` is none.
inline llvm::ArrayRef<int> signsOf(mlir::Operation *op) {
  auto arithmetic = mlir::dyn_cast<ArithmeticOpInterface>(op);
  return arithmetic ? arithmetic.signs() : llvm::ArrayRef<int>();
}

/// The square of one operand.
inline bool isSquare(mlir::Operation *op) {
  auto arithmetic = mlir::dyn_cast<ArithmeticOpInterface>(op);
  return arithmetic && arithmetic.exponents() == llvm::ArrayRef<int>({1, 1}) && op->getOperand(0) == op->getOperand(1);
}

} // namespace keops

#endif // KEOPS_DIALECT_ARITHMETIC_H
