//===- InterpreterTesting.h - Help for tests of the interpreter --*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// From the text of a formula and its arrays to the numbers of a row.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_UNIT_DIALECT_INTERPRETERTESTING_H
#define KEOPS_TEST_UNIT_DIALECT_INTERPRETERTESTING_H

#include "keops/Dialect/Interpreter.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <string>

namespace keops::interpretertest {

inline constexpr double inf = std::numeric_limits<double>::infinity();
inline constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// An argument's rows.
using Array = std::vector<std::vector<double>>;

class InterpreterTest : public ::testing::Test {
protected:
  InterpreterTest() { context.loadDialect<KeopsDialect>(); }

  /// All results in row `row`; index i has `rowsI` values and j has `rowsJ`.
  std::vector<InterpreterRow> run(const std::string &text, const std::vector<Array> &arrays, int64_t rowsI,
                                  int64_t rowsJ, int64_t row = 0) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context));
    EXPECT_TRUE(module) << text;
    return module ? again(arrays, rowsI, rowsJ, row) : std::vector<InterpreterRow>();
  }

  /// The same for the module as it now is.
  std::vector<InterpreterRow> again(const std::vector<Array> &arrays, int64_t rowsI, int64_t rowsJ, int64_t row = 0) {
    InterpreterInputs inputs;
    inputs.read = [&](unsigned argument, int64_t r, int64_t d) { return arrays.at(argument).at(r).at(d); };
    inputs.rowsI = rowsI;
    inputs.rowsJ = rowsJ;
    return interpret(*module->getOps<FormulaFuncOp>().begin(), inputs, row);
  }

  /// Results of a reduction over j of rows of `terms`; `types` are its results'.
  std::vector<std::vector<double>> reduce(const std::string &reduction, const Array &terms, int64_t dim,
                                          const std::vector<std::string> &types) {
    return reduceAll(reduction, {terms}, {dim}, types);
  }

  /// The same for a reduction of several operands.
  std::vector<std::vector<double>> reduceAll(const std::string &reduction, const std::vector<Array> &arrays,
                                             const std::vector<int64_t> &dims, const std::vector<std::string> &types) {
    auto list = [](const std::vector<std::string> &items) {
      std::string text;
      for (const std::string &item : items)
        text += (text.empty() ? "" : ", ") + item;
      return text;
    };
    std::vector<std::string> arguments, names, operandTypes, returned;
    for (size_t n = 0; n < dims.size(); ++n) {
      names.push_back("%y" + std::to_string(n));
      operandTypes.push_back("!keops.vec<" + std::to_string(dims[n]) + "xf64, j>");
      arguments.push_back(names.back() + ": " + operandTypes.back());
    }
    for (size_t n = 0; n < types.size(); ++n)
      returned.push_back(types.size() == 1 ? "%r" : "%r#" + std::to_string(n));
    std::string text = "keops.formula @f(" + list(arguments) + ") -> (" + list(types) + ") {\n  %r" +
                       (types.size() == 1 ? "" : ":" + std::to_string(types.size())) + " = keops.reduce " + reduction +
                       " over j (" + list(names) + ") : (" + list(operandTypes) + ") -> (" + list(types) +
                       ")\n  keops.return " + list(returned) + " : " + list(types) + "\n}\n";
    std::vector<std::vector<double>> results;
    for (InterpreterRow &row : run(text, arrays, 1, static_cast<int64_t>(arrays[0].size())))
      results.push_back(row.values);
    return results;
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
};

inline void expectSame(const std::vector<double> &got, const std::vector<double> &expected, const std::string &what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (size_t d = 0; d < got.size(); ++d) {
    if (std::isnan(expected[d]))
      EXPECT_TRUE(std::isnan(got[d])) << what << ", component " << d << " is " << got[d] << ", expected NaN";
    else
      EXPECT_DOUBLE_EQ(got[d], expected[d]) << what << ", component " << d;
  }
}

inline std::string number(size_t dim) { return "!keops.vec<" + std::to_string(dim) + "xf64, i>"; }

} // namespace keops::interpretertest

#endif // KEOPS_TEST_UNIT_DIALECT_INTERPRETERTESTING_H
