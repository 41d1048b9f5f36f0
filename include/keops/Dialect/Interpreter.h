//===- Interpreter.h - Reference evaluation in double -------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The oracle of all tests: evaluates a formula from its ops' and reductions'
// own definitions, in double, and carries for every number a bound on how far
// a computation in the arrays' arithmetic may be from it.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_INTERPRETER_H
#define KEOPS_DIALECT_INTERPRETER_H

#include "keops/Dialect/Keops.h"

#include <functional>
#include <vector>

namespace keops {

/// Arrays of a formula's arguments, read one component at a time.
struct InterpreterInputs {
  /// Component `d` of row `row` of argument `argument` (row 0 of a parameter).
  std::function<double(unsigned argument, int64_t row, int64_t d)> read;
  int64_t rowsI = 1; ///< values of index i
  int64_t rowsJ = 1; ///< values of index j
  /// The number that a formula sees for row `row` of j, where j runs over a part
  /// of the rows; by default the row itself.
  std::function<int64_t(int64_t row)> numberJ = [](int64_t row) { return row; };
};

/// One row of one result: row numbers are exact and have no error.
struct InterpreterRow {
  std::vector<double> values;
  /// |computed − value| is at most this for arithmetic in the formula's type,
  /// and rounding to the type in which an array holds the result; infinite where
  /// a discontinuity lies within the error.
  std::vector<double> bounds;
};

/// All results of `formula` in row `row` of the index that they depend on.
std::vector<InterpreterRow> interpret(FormulaFuncOp formula, const InterpreterInputs &inputs, int64_t row);

} // namespace keops

#endif // KEOPS_DIALECT_INTERPRETER_H
