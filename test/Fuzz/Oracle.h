//===- Oracle.h - What a formula should give ---------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The interpreter on the numbers of a case. It needs no kernel, so it also says
// while a formula is drawn whether that means anything.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_FUZZ_ORACLE_H
#define KEOPS_TEST_FUZZ_ORACLE_H

#include "Case.h"

#include "keops/Dialect/Interpreter.h"

namespace keops::fuzz {

/// A formula as IR.
class Reference {
public:
  /// Builds `root`, a reduction over the arguments of `test` with its scheme of sums, and takes it to phase `last` of
  /// these options. On failure `error` says why, and the reference is empty.
  Reference(mlir::MLIRContext &context, const Case &test, const ExpressionRef &root, DType type, Phase last,
            std::string &error, const CompilerOptions &options = CompilerOptions());
  explicit operator bool() const { return static_cast<bool>(module); }

  /// All results in row `row` of the result, in batch `batch`, over the columns that the case's clusters name.
  std::vector<InterpreterRow> row(int64_t batch, int64_t row);
  /// All results for one pair alone.
  std::vector<InterpreterRow> pair(int64_t batch, int64_t i, int64_t j);
  /// True if there is one reduction, which gives the rows of the result; false too if they are gathered or scattered
  /// from what it gives for the other index.
  bool reducesRowsAlone();
  /// The columns that row `row` is reduced over, in the order in which they count.
  std::vector<int64_t> columnsOf(int64_t row) const;
  bool keepsI() const { return keeps != Category::J; }
  /// Dimensions of the results.
  std::vector<int64_t> dims();
  mlir::ModuleOp getModule() { return *module; }

private:
  const Case &test;
  Category keeps;
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

} // namespace keops::fuzz

#endif // KEOPS_TEST_FUZZ_ORACLE_H
