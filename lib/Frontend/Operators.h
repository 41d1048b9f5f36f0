//===- Operators.h - The binary operators of formula text -------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One table read by the parser, by the printer and by `applyOperator`, so that
// text written by one is understood by the other.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_FRONTEND_OPERATORS_H
#define KEOPS_LIB_FRONTEND_OPERATORS_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

namespace keops::frontend {

/// How tightly an expression holds together, loosest first.
enum Precedence { Comparison = 1, Bar, Sum, Product, Sign, Power, Atom };

struct BinaryOperator {
  llvm::StringRef symbol;
  Precedence precedence;
  /// The operation it stands for; empty if that depends on the operands.
  llvm::StringRef operation;
  /// `a > b` is written, `b < a` is meant.
  bool swapped;
};

llvm::ArrayRef<BinaryOperator> binaryOperators();
/// Null if `symbol` is not a binary operator.
const BinaryOperator *findBinaryOperator(llvm::StringRef symbol);
/// The operator that stands for `operation`, unswapped; null if there is none.
const BinaryOperator *findOperatorOf(llvm::StringRef operation);

} // namespace keops::frontend

#endif // KEOPS_LIB_FRONTEND_OPERATORS_H
