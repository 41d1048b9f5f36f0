//===- InterpreterTest.cpp - What ops and reductions mean -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Known numbers for every op and every reduction, at the edges above all. The
// ops are enumerated from the dialect: one without a case fails.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Interpreter.h"
#include "keops/Transforms/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <map>
#include <string>

using namespace keops;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

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

void expectSame(const std::vector<double> &got, const std::vector<double> &expected, const std::string &what) {
  ASSERT_EQ(got.size(), expected.size()) << what;
  for (size_t d = 0; d < got.size(); ++d) {
    if (std::isnan(expected[d]))
      EXPECT_TRUE(std::isnan(got[d])) << what << ", component " << d << " is " << got[d] << ", expected NaN";
    else
      EXPECT_DOUBLE_EQ(got[d], expected[d]) << what << ", component " << d;
  }
}

std::string number(size_t dim) { return "!keops.vec<" + std::to_string(dim) + "xf64, i>"; }

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

/// `line` computes %r from %a and %b, whose types are A and B in it, and that
/// of a mask M.
struct OpCase {
  const char *op;
  const char *line;
  std::vector<double> a, b, expected;
};

const std::vector<OpCase> &opCases() {
  static const std::vector<OpCase> cases = {
      {"keops.constant",
       "%c = keops.constant 2.5 : !keops.vec<1xf64>\n %r = keops.add %a, %c : A, !keops.vec<1xf64>",
       {1, -2.5},
       {},
       {3.5, 0}},
      {"keops.neg", "%r = keops.neg %a : A", {1, -2, inf, nan}, {}, {-1, 2, -inf, nan}},
      {"keops.abs", "%r = keops.abs %a : A", {1, -2, -inf, nan}, {}, {1, 2, inf, nan}},
      {"keops.floor", "%r = keops.floor %a : A", {1.5, -1.5, 2, -inf, nan}, {}, {1, -2, 2, -inf, nan}},
      // Halves go away from zero.
      {"keops.round", "%r = keops.round %a : A", {0.5, -0.5, 2.5, 2.4, inf, nan}, {}, {1, -1, 3, 2, inf, nan}},
      {"keops.exp", "%r = keops.exp %a : A", {0, 1, -inf, inf, 1000, nan}, {}, {1, M_E, 0, inf, inf, nan}},
      {"keops.log", "%r = keops.log %a : A", {1, M_E, 0, -1, inf, nan}, {}, {0, 1, -inf, nan, inf, nan}},
      {"keops.sin", "%r = keops.sin %a : A", {0, M_PI / 2, inf, nan}, {}, {0, 1, nan, nan}},
      {"keops.cos", "%r = keops.cos %a : A", {0, M_PI, inf, nan}, {}, {1, -1, nan, nan}},
      {"keops.asin", "%r = keops.asin %a : A", {0, 1, -1, 1.5, nan}, {}, {0, M_PI / 2, -M_PI / 2, nan, nan}},
      {"keops.acos", "%r = keops.acos %a : A", {1, 0, -1, -1.5, nan}, {}, {0, M_PI / 2, M_PI, nan, nan}},
      {"keops.atan", "%r = keops.atan %a : A", {0, 1, inf, -inf, nan}, {}, {0, M_PI / 4, M_PI / 2, -M_PI / 2, nan}},
      {"keops.tanh", "%r = keops.tanh %a : A", {0, 0.5, inf, -inf, nan}, {}, {0, std::tanh(0.5), 1, -1, nan}},
      {"keops.erf", "%r = keops.erf %a : A", {0, 0.5, inf, -inf, nan}, {}, {0, 0.52049987781304654, 1, -1, nan}},
      {"keops.sqrt", "%r = keops.sqrt %a : A", {4, 0, -1, inf, nan}, {}, {2, 0, nan, inf, nan}},
      // 0 at 0, so that normalising the zero vector gives the zero vector.
      {"keops.rsqrt", "%r = keops.rsqrt %a : A", {4, 0, -1, inf, nan}, {}, {0.5, 0, nan, 0, nan}},
      {"keops.xlogx", "%r = keops.xlogx %a : A", {1, M_E, 0, -1, inf, nan}, {}, {0, M_E, 0, nan, inf, nan}},
      {"keops.sinc", "%r = keops.sinc %a : A", {0, M_PI / 2, inf, nan}, {}, {1, 2 / M_PI, nan, nan}},
      {"keops.sigmoid", "%r = keops.sigmoid %a : A", {0, 1000, -1000, -inf, nan}, {}, {0.5, 1, 0, 0, nan}},
      // Neither overflows nor loses the small term.
      {"keops.softplus",
       "%r = keops.softplus %a : A",
       {0, 1000, -40, -inf, inf, nan},
       {},
       {M_LN2, 1000, 4.248354255291589e-18, 0, inf, nan}},
      {"keops.ipow", "%r = keops.ipow %a, -2 : A", {2, -2, 0, inf, nan}, {}, {0.25, 0.25, inf, 0, nan}},
      {"keops.ipow", "%r = keops.ipow %a, 0 : A", {2, 0, inf, nan}, {}, {1, 1, 1, 1}},
      {"keops.ipow", "%r = keops.ipow %a, 5 : A", {2, -2, -inf}, {}, {32, -32, -inf}},
      {"keops.add", "%r = keops.add %a, %b : A, B", {1, inf, inf, nan}, {2, 1, -inf, 0}, {3, inf, nan, nan}},
      {"keops.sub", "%r = keops.sub %a, %b : A, B", {1, inf, inf, nan}, {2, 1, inf, 0}, {-1, inf, nan, nan}},
      {"keops.mul", "%r = keops.mul %a, %b : A, B", {3, inf, 0, nan}, {2, -1, inf, 0}, {6, -inf, nan, nan}},
      {"keops.div", "%r = keops.div %a, %b : A, B", {3, 1, 0, -1, inf}, {2, inf, 0, 0, inf}, {1.5, 0, nan, -inf, nan}},
      // An operand of dimension 1 serves all components, on either side.
      {"keops.sub", "%r = keops.sub %a, %b : A, B", {1, 2, 3}, {10}, {-9, -8, -7}},
      {"keops.div", "%r = keops.div %a, %b : A, B", {12}, {2, 3, 4}, {6, 4, 3}},
      {"keops.powf",
       "%r = keops.powf %a, %b : A, B",
       {2, -2, -2, 0, nan, 4},
       {3, 3, 0.5, -1, 0, 0.5},
       {8, -8, nan, inf, 1, 2}},
      {"keops.atan2",
       "%r = keops.atan2 %a, %b : A, B",
       {1, 0, 0, -1, nan},
       {1, -1, 1, 0, 1},
       {M_PI / 4, M_PI, 0, -M_PI / 2, nan}},
      {"keops.cmp",
       "%m = keops.cmp eq %a, %b : A, B\n %r = keops.indicator %m as f64 : M",
       {1, 1, inf, nan},
       {1, 2, inf, nan},
       {1, 0, 1, 0}},
      {"keops.cmp",
       "%m = keops.cmp ne %a, %b : A, B\n %r = keops.indicator %m as f64 : M",
       {1, 1, inf, nan},
       {1, 2, inf, nan},
       {0, 1, 0, 1}},
      {"keops.cmp",
       "%m = keops.cmp lt %a, %b : A, B\n %r = keops.indicator %m as f64 : M",
       {1, 1, -inf, nan, 3},
       {1, 2, inf, 1, nan},
       {0, 1, 1, 0, 0}},
      {"keops.cmp",
       "%m = keops.cmp le %a, %b : A, B\n %r = keops.indicator %m as f64 : M",
       {1, 3, -inf, nan},
       {1, 2, inf, nan},
       {1, 0, 1, 0}},
      {"keops.indicator",
       "%m = keops.cmp lt %a, %b : A, B\n %r = keops.indicator %m as f64 : M",
       {1, 2},
       {2, 1},
       {1, 0}},
      // What is not chosen is not looked at, even if NaN.
      {"keops.select",
       "%m = keops.cmp lt %a, %a : A, A\n %r = keops.select %m, %a, %b : M, A, B",
       {nan, inf},
       {1, 2},
       {1, 2}},
      {"keops.select",
       "%m = keops.cmp le %b, %b : B, B\n %r = keops.select %m, %b, %a : M, B, A",
       {nan, inf},
       {1, 2},
       {1, 2}},
      {"keops.exp2", "%r = keops.exp2 %a : A", {3, -1, -inf, inf, nan}, {}, {8, 0.5, 0, inf, nan}},
      {"keops.log2", "%r = keops.log2 %a : A", {8, 0.5, 0, -1, inf, nan}, {}, {3, -1, -inf, nan, inf, nan}},
      {"keops.expm1", "%r = keops.expm1 %a : A", {0, 1e-20, -inf, inf, nan}, {}, {0, 1e-20, -1, inf, nan}},
      {"keops.log1p", "%r = keops.log1p %a : A", {0, 1e-20, -1, -2, inf, nan}, {}, {0, 1e-20, -inf, nan, inf, nan}},
      {"keops.sinh", "%r = keops.sinh %a : A", {0, M_LN2, -inf, inf, nan}, {}, {0, 0.75, -inf, inf, nan}},
      {"keops.cosh", "%r = keops.cosh %a : A", {0, M_LN2, -inf, inf, nan}, {}, {1, 1.25, inf, inf, nan}},
      {"keops.tan", "%r = keops.tan %a : A", {0, 0.5, inf, nan}, {}, {0, 0.54630248984379051, nan, nan}},
      {"keops.lgamma",
       "%r = keops.lgamma %a : A",
       {1, 5, 0.5, -0.5, 0, -3, inf, nan},
       {},
       {0, std::log(24.0), std::log(M_PI) / 2, std::log(4 * M_PI) / 2, inf, inf, inf, nan}},
      // Where terms cancel, the digits left over say little: `PolygammaKeepsItsBound` has such points.
      {"keops.polygamma",
       "%r = keops.polygamma 0 %a : A",
       {0.5, 10, 1e6, inf, 0, -1, -inf, nan},
       {},
       {-1.9635100260214235, 2.2517525890667211, 13.815510057964191, inf, nan, nan, nan, nan}},
      {"keops.polygamma",
       "%r = keops.polygamma 1 %a : A",
       {1, 0.5, -0.5, inf, -3},
       {},
       {M_PI * M_PI / 6, M_PI * M_PI / 2, M_PI * M_PI / 2 + 4, 0, nan}},
      {"keops.polygamma", "%r = keops.polygamma 2 %a : A", {1}, {}, {-2.4041138063191885}},
      // 3! Σ (1/2 + k)⁻⁴ = π⁴, and two terms more below.
      {"keops.polygamma",
       "%r = keops.polygamma 3 %a : A",
       {0.5, -0.5},
       {},
       {std::pow(M_PI, 4), std::pow(M_PI, 4) + 96}},
      // Row 0; `IndicesCountRows` has the others.
      {"keops.index",
       "%i = keops.index : !keops.vec<1xf64, i>\n %r = keops.add %a, %i : A, !keops.vec<1xf64, i>",
       {5},
       {},
       {5}},
      {"keops.interleave", "%r = keops.interleave %a, %b : A, B", {1, 2, 3}, {-1, nan, -3}, {1, -1, 2, nan, 3, -3}},
      {"keops.deinterleave", "%r = keops.deinterleave %a[0] : A", {1, 2, 3, 4}, {}, {1, 3}},
      {"keops.deinterleave", "%r = keops.deinterleave %a[1] : A", {1, 2, 3, 4}, {}, {2, 4}},
      // Intervals are open on the right; the last knot is outside.
      {"keops.bspline", "%r = keops.bspline %a at %b degree 0 : A, B", {0, 1, 2}, {1}, {0, 1}},
      {"keops.bspline", "%r = keops.bspline %a at %b degree 0 : A, B", {0, 1, 2}, {2}, {0, 0}},
      {"keops.bspline", "%r = keops.bspline %a at %b degree 1 : A, B", {0, 1, 2, 3}, {1.25}, {0.75, 0.25}},
      // The cardinal cubic at a knot, and the quadratic whose first knots are one.
      {"keops.bspline", "%r = keops.bspline %a at %b degree 3 : A, B", {0, 1, 2, 3, 4}, {1}, {1.0 / 6}},
      {"keops.bspline", "%r = keops.bspline %a at %b degree 2 : A, B", {0, 0, 0, 1, 2, 3}, {0}, {1, 0, 0}},
      {"keops.bspline", "%r = keops.bspline %a at %b degree 2 : A, B", {0, 0, 0, 1, 2, 3}, {0.5}, {0.25, 0.625, 0.125}},
      {"keops.bspline", "%r = keops.bspline %a at %b degree 1 : A, B", {0, 1, 2, 3}, {inf}, {0, 0}},
      {"keops.bspline", "%r = keops.bspline %a at %b degree 0 : A, B", {0, 1, 2}, {nan}, {nan, nan}},
      // One way only; then two ways of equal costs, which the smoothing makes cheaper by log 2.
      {"keops.soft_dtw",
       "%c = keops.constant 1.0 : !keops.vec<1xf64>\n %r = keops.soft_dtw %a, %b smooth %c : A, B, !keops.vec<1xf64>",
       {1},
       {3, 4, 0},
       {4, 13, 14}},
      {"keops.soft_dtw",
       "%c = keops.constant 0.5 : !keops.vec<1xf64>\n %r = keops.soft_dtw %a, %b smooth %c : A, B, !keops.vec<1xf64>",
       {0, 0},
       {0, 0},
       {0, 0, 0, -0.5 * std::log(3.0)}},
      {"keops.soft_dtw",
       "%c = keops.constant 1.0 : !keops.vec<1xf64>\n %r = keops.soft_dtw %a, %b smooth %c : A, B, !keops.vec<1xf64>",
       {0, inf},
       {0, 1},
       {0, 1, inf, inf}},
      {"keops.reverse", "%r = keops.reverse %a : A", {1, nan, 3}, {}, {3, nan, 1}},
      // What lies before component 0 is not looked at, nor its weights.
      {"keops.recur", "%r = keops.recur %a by %b lags [1] : A, B", {1, 1, 1, 1}, {nan, 2, 3, -1}, {1, 3, 10, -9}},
      {"keops.recur", "%r = keops.recur %a by %b, %a lags [2, 1] : A, B, A", {1, 2, 3}, {nan, inf, 5}, {1, 4, 20}},
      {"keops.recur", "%r = keops.recur %a by %b lags [3] : A, B", {1, 2}, {nan, nan}, {1, 2}},
      // Costs in rows of two: at the borders there is one step, inside the steps share.
      {"keops.soft_step",
       "%r = keops.soft_step diagonal %a in 2 smooth %b : A, B",
       {0, 0, std::log(4.0), nan},
       {1},
       {0, 0, 0, 4.0 / 9}},
      {"keops.soft_step",
       "%r = keops.soft_step down %a in 2 smooth %b : A, B",
       {5, 5, 5, nan},
       {1},
       {0, 0, 1, 1.0 / 3}},
      {"keops.soft_step", "%r = keops.soft_step right %a in 2 smooth %b : A, B", {0, inf, 0, 1}, {2}, {0, 1, 0, 0.5}},
      {"keops.broadcast", "%r = keops.broadcast %a to 3 : A", {7}, {}, {7, 7, 7}},
      {"keops.concat", "%r = keops.concat %a, %b : A, B", {1, 2}, {3, 4, 5}, {1, 2, 3, 4, 5}},
      {"keops.slice", "%r = keops.slice %a[1, 2] : A", {1, 2, 3, 4}, {}, {2, 3}},
      {"keops.pad", "%r = keops.pad %a at 1 in 5 : A", {1, nan}, {}, {0, 1, nan, 0, 0}},
      // Halves go upwards, also below 0; nothing is set out of range.
      {"keops.one_hot", "%r = keops.one_hot %a in 3 : A", {1.5}, {}, {0, 0, 1}},
      {"keops.one_hot", "%r = keops.one_hot %a in 3 : A", {1.4}, {}, {0, 1, 0}},
      {"keops.one_hot", "%r = keops.one_hot %a in 3 : A", {-0.5}, {}, {1, 0, 0}},
      {"keops.one_hot", "%r = keops.one_hot %a in 3 : A", {-0.6}, {}, {0, 0, 0}},
      {"keops.one_hot", "%r = keops.one_hot %a in 3 : A", {2.5}, {}, {0, 0, 0}},
      {"keops.one_hot", "%r = keops.one_hot %a in 3 : A", {1e300}, {}, {0, 0, 0}},
      {"keops.one_hot", "%r = keops.one_hot %a in 3 : A", {-inf}, {}, {0, 0, 0}},
      {"keops.one_hot", "%r = keops.one_hot %a in 3 : A", {nan}, {}, {0, 0, 0}},
      {"keops.fold", "%r = keops.fold #keops.sum %a : A", {1, 2, 4}, {}, {7}},
      {"keops.fold", "%r = keops.fold #keops.sum %a : A", {inf, 2, -inf}, {}, {nan}},
      {"keops.fold", "%r = keops.fold #keops.logsumexp %a : A", {-inf, 0, 0}, {}, {M_LN2}},
      {"keops.fold", "%r = keops.fold #keops.extremum<min> %a : A", {3, nan, -1, 2}, {}, {-1}},
      {"keops.fold", "%r = keops.fold #keops.extremum<max> %a : A", {nan, nan}, {}, {-inf}},
      // The first of equal components, counted as a number.
      {"keops.fold", "%r = keops.fold #keops.extremum<argmax> %a : A", {1, 5, 5, nan}, {}, {1}},
      {"keops.fold", "%r = keops.fold #keops.extremum<argmin> %a : A", {nan, nan}, {}, {0}},
      {"keops.fold", "%r = keops.fold #keops.k_smallest<1, argkmin> %a : A", {4, 2, 2}, {}, {1}},
      {"keops.tensordot",
       "%r = keops.tensordot %a [2, 3] by [1], %b [3] by [0] permute [0] : A, B",
       {1, 2, 3, 4, 5, 6},
       {1, 0, -1},
       {-2, -2}},
      {"keops.tensordot",
       "%r = keops.tensordot %a [2] by [0], %b [2, 3] by [0] permute [0] : A, B",
       {1, -1},
       {1, 2, 3, 4, 5, 6},
       {-3, -3, -3}},
      {"keops.tensordot",
       "%r = keops.tensordot %a [2] by [], %b [3] by [] permute [0, 1] : A, B",
       {1, 10},
       {1, 2, 3},
       {1, 2, 3, 10, 20, 30}},
      {"keops.tensordot",
       "%r = keops.tensordot %a [2] by [], %b [3] by [] permute [1, 0] : A, B",
       {1, 10},
       {1, 2, 3},
       {1, 10, 2, 20, 3, 30}},
      // Two axes at once: the trace of a product of matrices.
      {"keops.tensordot",
       "%r = keops.tensordot %a [2, 2] by [0, 1], %b [2, 2] by [1, 0] permute [] : A, B",
       {1, 2, 3, 4},
       {5, 6, 7, 8},
       {5 + 14 + 18 + 32}},
  };
  return cases;
}

TEST_F(InterpreterTest, KnownNumbersOfEveryOp) {
  for (const OpCase &test : opCases()) {
    std::map<char, std::string> types = {{'A', number(test.a.size())},
                                         {'B', number(test.b.size())},
                                         {'M', "!keops.vec<" + std::to_string(test.a.size()) + "xi1, i>"}};
    // A, B and M stand for types: no op's text has capitals.
    std::string body;
    for (const char *c = test.line; *c; ++c)
      body += types.count(*c) ? types[*c] : std::string(1, *c);
    std::string second = test.b.empty() ? "" : ", %b: " + number(test.b.size());
    std::string text = "keops.formula @f(%a: " + number(test.a.size()) + second + ") -> " +
                       number(test.expected.size()) + " {\n " + body +
                       "\n keops.return %r : " + number(test.expected.size()) + "\n}\n";
    std::vector<InterpreterRow> rows = run(text, {{test.a}, {test.b}}, 1, 1);
    ASSERT_EQ(rows.size(), 1u) << text;
    expectSame(rows[0].values, test.expected, test.line);
  }
}

/// Values where terms cancel, and ψₙ(x + 1) − ψₙ(x) = (−1)ⁿ n! / xⁿ⁺¹ on either side of 0, for all orders.
TEST_F(InterpreterTest, PolygammaKeepsItsBound) {
  auto at = [&](int order, double x) {
    std::vector<InterpreterRow> rows =
        run("keops.formula @f(%a: " + number(1) + ") -> " + number(1) + " {\n%r = keops.polygamma " +
                std::to_string(order) + " %a : " + number(1) + "\nkeops.return %r : " + number(1) + "\n}\n",
            {{{x}}}, 1, 1);
    return std::pair(rows.at(0).values.at(0), rows.at(0).bounds.at(0));
  };
  for (auto [order, x, expected] : {std::tuple(0, 1.0, -0.57721566490153286),
                                    {0, -0.5, 0.036489973978576521},
                                    {2, -0.5, -0.8287966442343200},
                                    {0, 1.4616321449683622, 0.0}}) {
    auto [value, bound] = at(order, x);
    EXPECT_LE(std::fabs(value - expected), bound) << "order " << order << " at " << x;
    EXPECT_LT(bound, 1e-12) << "order " << order << " at " << x;
  }
  double factorial = 1;
  for (int order = 0; order <= PolygammaOp::maxOrder; ++order) {
    factorial *= order > 1 ? order : 1;
    for (double x : {0.25, 0.75, 1.5, 7.0, 60.0, -0.25, -0.625, -3.375}) {
      auto [above, boundAbove] = at(order, x + 1);
      auto [value, bound] = at(order, x);
      double step = (order % 2 ? -1 : 1) * factorial / std::pow(x, order + 1);
      EXPECT_LE(std::fabs(above - value - step), bound + boundAbove + 1e-13 * std::fabs(step))
          << "order " << order << " at " << x;
      EXPECT_LT(bound, 1e-12 * (1 + std::fabs(value) + std::fabs(step))) << "order " << order << " at " << x;
    }
  }
}

TEST_F(InterpreterTest, IndicesCountRows) {
  const char *text = R"(
keops.formula @f(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %i = keops.index : !keops.vec<1xf32, i>
  %j = keops.index : !keops.vec<1xf32, j>
  %p = keops.mul %i, %j : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %r = keops.reduce #keops.sum over j (%p) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %r : !keops.vec<1xf32, i>
})";
  Array column(5, {0});
  for (int64_t row = 0; row < 3; ++row)
    expectSame(run(text, {column, column}, 3, 5, row)[0].values, {10.0 * row}, "row " + std::to_string(row));
  // f32 does not hold every number of a row.
  std::vector<InterpreterRow> far = run(text, {column, column}, 1, 2, (int64_t(1) << 24) + 1);
  EXPECT_GT(far[0].bounds[0], 0.5);
}

TEST_F(InterpreterTest, EveryOpHasACase) {
  std::map<std::string, bool> covered;
  for (const OpCase &test : opCases())
    covered[test.op] = true;
  size_t count = 0;
  for (mlir::RegisteredOperationName name : context.getRegisteredOperations()) {
    if (name.getDialectNamespace() != "keops" || !name.hasInterface<FormulaOpInterface>())
      continue;
    ++count;
    EXPECT_TRUE(covered[name.getStringRef().str()]) << name.getStringRef().str() << " has no case in opCases()";
  }
  EXPECT_GT(count, 0u);
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

const char *const kOne = "!keops.vec<1xf64, i>";
const char *const kOneRow = "!keops.vec<1xi64, i>";

TEST_F(InterpreterTest, Sum) {
  expectSame(reduce("#keops.sum", {{1, 10}, {2, 20}, {3, 30}}, 2, {"!keops.vec<2xf64, i>"})[0], {6, 60}, "sum");
  expectSame(reduce("#keops.sum", {{1}, {nan}, {3}}, 1, {kOne})[0], {nan}, "sum with NaN");
  expectSame(reduce("#keops.sum", {{inf}, {-inf}}, 1, {kOne})[0], {nan}, "sum of both infinities");
  expectSame(reduce("#keops.sum", Array{}, 2, {"!keops.vec<2xf64, i>"})[0], {0, 0}, "sum over no column");
}

TEST_F(InterpreterTest, Softmax) {
  auto value = [&](const Array &terms, const Array &weights) {
    return reduceAll("#keops.softmax", {terms, weights}, {1, 2}, {"!keops.vec<2xf64, i>"})[0];
  };
  expectSame(value({{0}, {std::log(3)}}, {{1, -1}, {5, 3}}), {4, 2}, "weights 1/4 and 3/4");
  expectSame(value({{1000}, {1000}}, {{1, -1}, {3, -5}}), {2, -3}, "large exponents");
  expectSame(value({{-inf}, {-1000}}, {{7, 7}, {2, 3}}), {2, 3}, "a weight of 0");
  expectSame(value({{nan}, {0}}, {{1, 1}, {2, 2}}), {nan, nan}, "a weight that is NaN");
  expectSame(value({}, {}), {nan, nan}, "over no column");
}

TEST_F(InterpreterTest, LogSumExp) {
  auto value = [&](const Array &terms) { return reduce("#keops.logsumexp", terms, 1, {kOne})[0]; };
  expectSame(value({{0}, {0}, {0}, {0}}), {std::log(4.0)}, "four ones");
  // Neither overflows nor underflows.
  expectSame(value({{1000}, {1000}}), {1000 + M_LN2}, "large terms");
  expectSame(value({{-1000}, {-1000}}), {-1000 + M_LN2}, "small terms");
  expectSame(value({{-1000}, {1000}}), {1000}, "increasing terms");
  expectSame(value({{-inf}, {3}}), {3}, "a term -inf adds nothing");
  expectSame(value({{-inf}, {-inf}}), {-inf}, "nothing but -inf");
  expectSame(value({{1}, {inf}, {2}}), {inf}, "a term +inf");
  expectSame(value({{inf}, {inf}}), {inf}, "two terms +inf");
  expectSame(value({{inf}, {-inf}}), {inf}, "both infinities");
  expectSame(value({{1}, {nan}, {2}}), {nan}, "a NaN");
  expectSame(value({}), {-inf}, "no column");
}

TEST_F(InterpreterTest, WeightedLogSumExp) {
  auto value = [&](const Array &terms, const Array &weights, int64_t dim) {
    return reduceAll("#keops.logsumexp", {terms, weights}, {1, dim},
                     {"!keops.vec<" + std::to_string(dim) + "xf64, i>"})[0];
  };
  expectSame(value({{0}, {0}}, {{1, 2}, {3, 4}}, 2), {std::log(4.0), std::log(6.0)}, "weights");
  expectSame(value({{1000}, {1000}}, {{0.5}, {0.5}}, 1), {1000}, "large terms");
  expectSame(value({{0}, {0}}, {{1}, {-1}}, 1), {-inf}, "weights that cancel");
  expectSame(value({{0}, {0}}, {{1}, {-2}}, 1), {nan}, "a negative sum");
}

TEST_F(InterpreterTest, EveryExtremum) {
  // NaN is passed over, the first of equal terms wins; the second component is all NaN.
  Array terms = {{nan, nan}, {2, nan}, {1, nan}, {3, nan}, {1, nan}, {3, nan}};
  std::map<Extremum, std::vector<std::vector<double>>> expected = {
      {Extremum::Min, {{1, inf}}},
      {Extremum::Max, {{3, -inf}}},
      {Extremum::ArgMin, {{2, 0}}},
      {Extremum::ArgMax, {{3, 0}}},
      {Extremum::MinArgMin, {{1, inf}, {2, 0}}},
      {Extremum::MaxArgMax, {{3, -inf}, {3, 0}}},
  };
  for (unsigned n = 0; n <= getMaxEnumValForExtremum(); ++n) {
    Extremum kind = *symbolizeExtremum(n);
    ASSERT_TRUE(expected.count(kind)) << stringifyExtremum(kind).str() << " has no case";
    auto attr = ExtremumAttr::get(&context, kind);
    std::vector<std::string> types;
    if (attr.givesValue())
      types.push_back("!keops.vec<2xf64, i>");
    if (attr.givesIndex())
      types.push_back("!keops.vec<2xi64, i>");
    std::string name = "#keops.extremum<" + stringifyExtremum(kind).str() + ">";
    std::vector<std::vector<double>> results = reduce(name, terms, 2, types);
    ASSERT_EQ(results.size(), expected[kind].size()) << name;
    for (size_t r = 0; r < results.size(); ++r)
      expectSame(results[r], expected[kind][r], name);
  }
}

TEST_F(InterpreterTest, ExtremumAtTheEdges) {
  std::vector<std::string> both = {kOne, kOneRow};
  auto empty = reduce("#keops.extremum<max_argmax>", Array{}, 1, both);
  expectSame(empty[0], {-inf}, "the maximum over no column");
  expectSame(empty[1], {0}, "its index");
  auto infinite = reduce("#keops.extremum<min_argmin>", {{2}, {-inf}, {-inf}}, 1, both);
  expectSame(infinite[0], {-inf}, "a minimum -inf");
  expectSame(infinite[1], {1}, "its index");
  // Zeros are equal whatever their sign.
  expectSame(reduce("#keops.extremum<argmin>", {{0.0}, {-0.0}}, 1, {kOneRow})[0], {0}, "zeros");
}

TEST_F(InterpreterTest, EveryKSmallest) {
  // Two components, rank-major; ties in the order of their index, NaN and +inf passed over.
  Array terms = {{3, inf}, {1, nan}, {2, 5}, {1, -inf}};
  std::vector<double> values = {1, -inf, 1, 5, 2, inf}, rows = {1, 3, 3, 2, 2, 0};
  std::map<KSmallest, std::vector<std::vector<double>>> expected = {
      {KSmallest::KMin, {values}}, {KSmallest::ArgKMin, {rows}}, {KSmallest::KMinArgKMin, {values, rows}}};
  for (unsigned n = 0; n <= getMaxEnumValForKSmallest(); ++n) {
    KSmallest kind = *symbolizeKSmallest(n);
    ASSERT_TRUE(expected.count(kind)) << stringifyKSmallest(kind).str() << " has no case";
    auto attr = KSmallestAttr::get(&context, 3, kind);
    std::vector<std::string> types;
    if (attr.givesValue())
      types.push_back("!keops.vec<6xf64, i>");
    if (attr.givesIndex())
      types.push_back("!keops.vec<6xi64, i>");
    std::string name = "#keops.k_smallest<3, " + stringifyKSmallest(kind).str() + ">";
    std::vector<std::vector<double>> results = reduce(name, terms, 2, types);
    ASSERT_EQ(results.size(), expected[kind].size()) << name;
    for (size_t r = 0; r < results.size(); ++r)
      expectSame(results[r], expected[kind][r], name);
  }
}

TEST_F(InterpreterTest, KSmallestOfFewerColumns) {
  std::vector<std::string> types = {"!keops.vec<4xf64, i>", "!keops.vec<4xi64, i>"};
  auto few = reduce("#keops.k_smallest<4, kmin_argkmin>", {{2}, {1}}, 1, types);
  expectSame(few[0], {1, 2, inf, inf}, "two columns for four ranks");
  expectSame(few[1], {1, 0, 0, 0}, "their indices");
  auto none = reduce("#keops.k_smallest<4, kmin_argkmin>", Array{}, 1, types);
  expectSame(none[0], {inf, inf, inf, inf}, "no column");
  expectSame(none[1], {0, 0, 0, 0}, "no index");
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

TEST_F(InterpreterTest, RowsAndColumnsAreReadWhereTheyBelong) {
  const char *text = R"(
    keops.formula @f(%x: !keops.vec<1xf64, i>, %y: !keops.vec<2xf64, j>, %p: !keops.vec<1xf64>) -> !keops.vec<2xf64, i> {
      %0 = keops.mul %x, %y : !keops.vec<1xf64, i>, !keops.vec<2xf64, j>
      %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<2xf64, ij>) -> !keops.vec<2xf64, i>
      %2 = keops.add %1, %p : !keops.vec<2xf64, i>, !keops.vec<1xf64>
      keops.return %2 : !keops.vec<2xf64, i>
    })";
  std::vector<Array> arrays = {{{1}, {2}, {3}}, {{10, 1}, {20, 2}}, {{0.5}}};
  expectSame(run(text, arrays, 3, 2, 0)[0].values, {30.5, 3.5}, "row 0");
  expectSame(again(arrays, 3, 2, 2)[0].values, {90.5, 9.5}, "row 2");
}

TEST_F(InterpreterTest, ReductionOverIKeepsJ) {
  const char *text = R"(
    keops.formula @f(%x: !keops.vec<1xf64, i>, %y: !keops.vec<1xf64, j>) -> !keops.vec<1xi64, j> {
      %0 = keops.mul %x, %y : !keops.vec<1xf64, i>, !keops.vec<1xf64, j>
      %1 = keops.reduce #keops.extremum<argmax> over i (%0) : (!keops.vec<1xf64, ij>) -> !keops.vec<1xi64, j>
      keops.return %1 : !keops.vec<1xi64, j>
    })";
  std::vector<Array> arrays = {{{1}, {3}, {2}}, {{1}, {-1}}};
  expectSame(run(text, arrays, 3, 2, 0)[0].values, {1}, "column 0");
  expectSame(again(arrays, 3, 2, 1)[0].values, {0}, "column 1");
}

TEST_F(InterpreterTest, TermsWithoutTheIndexCountOncePerColumn) {
  const char *text = R"(
    keops.formula @f(%x: !keops.vec<1xf64, i>) -> !keops.vec<1xf64, i> {
      %0 = keops.reduce #keops.sum over j (%x) : (!keops.vec<1xf64, i>) -> !keops.vec<1xf64, i>
      keops.return %0 : !keops.vec<1xf64, i>
    })";
  expectSame(run(text, {{{7}}}, 1, 5)[0].values, {35}, "five columns");
}

TEST_F(InterpreterTest, ReductionOfAReduction) {
  // Softmax weights add up to one.
  const char *text = R"(
    keops.formula @f(%x: !keops.vec<1xf64, i>, %y: !keops.vec<1xf64, j>) -> !keops.vec<1xf64, i> {
      %0 = keops.mul %x, %y : !keops.vec<1xf64, i>, !keops.vec<1xf64, j>
      %1 = keops.reduce #keops.logsumexp over j (%0) : (!keops.vec<1xf64, ij>) -> !keops.vec<1xf64, i>
      %2 = keops.sub %0, %1 : !keops.vec<1xf64, ij>, !keops.vec<1xf64, i>
      %3 = keops.exp %2 : !keops.vec<1xf64, ij>
      %4 = keops.reduce #keops.sum over j (%3) : (!keops.vec<1xf64, ij>) -> !keops.vec<1xf64, i>
      keops.return %4 : !keops.vec<1xf64, i>
    })";
  std::vector<Array> arrays = {{{1}, {-2}}, {{1}, {2}, {3}}};
  for (int64_t row : {0, 1})
    EXPECT_NEAR(run(text, arrays, 2, 3, row)[0].values[0], 1, 1e-14);
}

TEST_F(InterpreterTest, SimplifyingKeepsTheMeaning) {
  const char *text = R"(
    keops.formula @f(%x: !keops.vec<2xf64, i>, %y: !keops.vec<2xf64, j>, %g: !keops.vec<1xf64>) -> !keops.vec<1xf64, i> {
      %one = keops.constant 1.0 : !keops.vec<1xf64>
      %0 = keops.sub %x, %y : !keops.vec<2xf64, i>, !keops.vec<2xf64, j>
      %1 = keops.neg %0 : !keops.vec<2xf64, ij>
      %2 = keops.div %1, %g : !keops.vec<2xf64, ij>, !keops.vec<1xf64>
      %3 = keops.ipow %2, 1 : !keops.vec<2xf64, ij>
      %4 = keops.concat %3, %y : !keops.vec<2xf64, ij>, !keops.vec<2xf64, j>
      %5 = keops.slice %4[0, 2] : !keops.vec<4xf64, ij>
      %6 = keops.mul %5, %one : !keops.vec<2xf64, ij>, !keops.vec<1xf64>
      %7 = keops.fold #keops.sum %6 : !keops.vec<2xf64, ij>
      %8 = keops.reduce #keops.logsumexp over j (%7) : (!keops.vec<1xf64, ij>) -> !keops.vec<1xf64, i>
      keops.return %8 : !keops.vec<1xf64, i>
    })";
  std::vector<Array> arrays = {{{0.3, -1.7}}, {{1.1, 2.2}, {-0.4, 0.9}, {5, -5}}, {{0.7}}};
  double before = run(text, arrays, 1, 3)[0].values[0];
  auto operations = [&] {
    int64_t count = 0;
    module->walk([&](mlir::Operation *) { ++count; });
    return count;
  };
  int64_t operationsBefore = operations();
  mlir::PassManager pm(&context);
  pm.addNestedPass<FormulaFuncOp>(createKeopsSimplify());
  ASSERT_TRUE(mlir::succeeded(pm.run(*module)));
  EXPECT_LT(operations(), operationsBefore);
  EXPECT_NEAR(again(arrays, 1, 3)[0].values[0], before, 1e-14 * std::fabs(before));
}

// A quotient that is a whole number stays one: its floor may not change.
TEST_F(InterpreterTest, SimplifyingKeepsWholeQuotients) {
  for (int64_t n = 1; n <= 200; ++n) {
    std::string text = "keops.formula @f(%x: !keops.vec<1xf64, i>) -> !keops.vec<1xf64, i> {\n %n = keops.constant " +
                       std::to_string(n) +
                       ".0 : !keops.vec<1xf64>\n %0 = keops.div %x, %n : !keops.vec<1xf64, i>, !keops.vec<1xf64>\n"
                       " %1 = keops.floor %0 : !keops.vec<1xf64, i>\n keops.return %1 : !keops.vec<1xf64, i>\n}\n";
    std::vector<Array> arrays = {{{static_cast<double>(n)}}};
    EXPECT_EQ(run(text, arrays, 1, 1)[0].values[0], 1) << n << "//" << n;
    mlir::PassManager pm(&context);
    pm.addNestedPass<FormulaFuncOp>(createKeopsSimplify());
    ASSERT_TRUE(mlir::succeeded(pm.run(*module)));
    EXPECT_EQ(again(arrays, 1, 1)[0].values[0], 1) << n << "//" << n << " after simplifying";
  }
}

//===----------------------------------------------------------------------===//
// Bounds
//===----------------------------------------------------------------------===//

const char *const kGauss32 = R"(
  keops.formula @f(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
    %0 = keops.sub %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
    %1 = keops.mul %0, %0 : !keops.vec<3xf32, ij>, !keops.vec<3xf32, ij>
    %2 = keops.fold #keops.sum %1 : !keops.vec<3xf32, ij>
    %3 = keops.neg %2 : !keops.vec<1xf32, ij>
    %4 = keops.exp %3 : !keops.vec<1xf32, ij>
    %5 = keops.reduce #keops.sum over j (%4) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
    keops.return %5 : !keops.vec<1xf32, i>
  })";

/// A fixed sequence of numbers in [−1, 1) that are exact in float32.
double pseudoRandom(uint32_t &state) {
  state = state * 1664525u + 1013904223u;
  return static_cast<double>(static_cast<int32_t>(state) >> 8) / (1 << 23);
}

TEST_F(InterpreterTest, Float32EvaluationLiesWithinTheBound) {
  uint32_t state = 1;
  constexpr int64_t rows = 5, columns = 100;
  std::vector<Array> arrays(2);
  for (int64_t r = 0; r < rows; ++r)
    arrays[0].push_back({pseudoRandom(state), pseudoRandom(state), pseudoRandom(state)});
  for (int64_t r = 0; r < columns; ++r)
    arrays[1].push_back({pseudoRandom(state), pseudoRandom(state), pseudoRandom(state)});
  for (int64_t i = 0; i < rows; ++i) {
    float sum = 0;
    for (int64_t j = 0; j < columns; ++j) {
      float squares = 0;
      for (int64_t d = 0; d < 3; ++d) {
        float difference = static_cast<float>(arrays[0][i][d]) - static_cast<float>(arrays[1][j][d]);
        squares += difference * difference;
      }
      sum += std::exp(-squares);
    }
    InterpreterRow row = run(kGauss32, arrays, rows, columns, i)[0];
    EXPECT_LE(std::fabs(sum - row.values[0]), row.bounds[0]) << "row " << i;
    // A bound that allows anything would prove nothing.
    EXPECT_LT(row.bounds[0], 1e-4 * row.values[0]);
    EXPECT_GT(row.bounds[0], 0);
  }
}

TEST_F(InterpreterTest, CancellationShowsInTheBound) {
  const char *text = R"(
    keops.formula @f(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
      %0 = keops.mul %x, %x : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
      %1 = keops.mul %y, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
      %2 = keops.sub %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
      keops.return %2 : !keops.vec<1xf32, i>
    })";
  float x = 1000.125f, y = 1000.0625f;
  InterpreterRow row = run(text, {{{x}}, {{y}}}, 1, 1)[0];
  float computed = x * x - y * y;
  EXPECT_NE(static_cast<double>(computed), row.values[0]);
  EXPECT_LE(std::fabs(computed - row.values[0]), row.bounds[0]);
  EXPECT_GT(row.bounds[0], 1e-4 * row.values[0]);
}

TEST_F(InterpreterTest, DiscontinuityWithinTheErrorIsUncertain) {
  const char *text = R"(
    keops.formula @f(%x: !keops.vec<2xf32, i>) -> !keops.vec<2xf32, i> {
      %third = keops.constant 0.3333333333333333 : !keops.vec<1xf32>
      %0 = keops.mul %x, %third : !keops.vec<2xf32, i>, !keops.vec<1xf32>
      %1 = keops.floor %0 : !keops.vec<2xf32, i>
      keops.return %1 : !keops.vec<2xf32, i>
    })";
  InterpreterRow row = run(text, {{{3, 4}}}, 1, 1)[0];
  EXPECT_GE(row.bounds[0], 1) << "3 · (1/3) may be below 1 in float32";
  EXPECT_EQ(row.bounds[1], 0) << "4 · (1/3) is far from a whole number";
}

TEST_F(InterpreterTest, ExactOperationsHaveNoError) {
  const char *text = R"(
    keops.formula @f(%x: !keops.vec<2xf32, i>, %y: !keops.vec<2xf32, j>) -> (!keops.vec<2xf32, i>, !keops.vec<2xi64, i>) {
      %0 = keops.neg %y : !keops.vec<2xf32, j>
      %1:2 = keops.reduce #keops.extremum<min_argmin> over j (%0) : (!keops.vec<2xf32, j>) -> (!keops.vec<2xf32, i>, !keops.vec<2xi64, i>)
      keops.return %1#0, %1#1 : !keops.vec<2xf32, i>, !keops.vec<2xi64, i>
    })";
  std::vector<InterpreterRow> rows = run(text, {{{0, 0}}, {{1, 5}, {2, 4}}}, 1, 2);
  expectSame(rows[0].values, {-2, -5}, "values");
  expectSame(rows[1].values, {1, 0}, "indices");
  expectSame(rows[0].bounds, {0, 0}, "bounds");
  expectSame(rows[1].bounds, {0, 0}, "bounds of row numbers");
}

TEST_F(InterpreterTest, SmallMultiplesOfPowersOfTwoAreExact) {
  const char *text = R"(
    keops.formula @f(%x: !keops.vec<3xf32, i>, %y: !keops.vec<1xf32, i>) -> (!keops.vec<3xf32, i>, !keops.vec<3xf32, i>) {
      %0 = keops.div %x, %y : !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
      %1 = keops.mul %0, %0 : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
      %2 = keops.sub %1, %y : !keops.vec<3xf32, i>, !keops.vec<1xf32, i>
      %3 = keops.floor %2 : !keops.vec<3xf32, i>
      keops.return %2, %3 : !keops.vec<3xf32, i>, !keops.vec<3xf32, i>
    })";
  std::vector<InterpreterRow> rows = run(text, {{{1, 2, 0.1f}}, {{0.25}}}, 1, 1);
  expectSame(rows[1].values, {15, 63, -1}, "floors");
  expectSame(rows[1].bounds, {0, 0, 0}, "bounds");
  EXPECT_EQ(rows[0].bounds[0], 0);
  EXPECT_GT(rows[0].bounds[2], 0) << "0.1 is no such number";
  // 3 · (1/3) may be below 1, and 3000 is too large to be added in any order.
  EXPECT_GT(run(text, {{{3, 3, 3}}, {{3}}}, 1, 1)[0].bounds[0], 0);
  EXPECT_GT(run(text, {{{3000, 1, 1}}, {{1}}}, 1, 1)[0].bounds[0], 0);
}

TEST_F(InterpreterTest, AngleOfNegativeNumbersIsUncertain) {
  const char *text = R"(
    keops.formula @f(%x: !keops.vec<3xf64, i>, %y: !keops.vec<1xf64, i>) -> !keops.vec<3xf64, i> {
      %0 = keops.atan2 %x, %y : !keops.vec<3xf64, i>, !keops.vec<1xf64, i>
      keops.return %0 : !keops.vec<3xf64, i>
    })";
  InterpreterRow row = run(text, {{{0, -0.0, 0.5}}, {{-1}}}, 1, 1)[0];
  EXPECT_EQ(row.bounds[0], inf);
  EXPECT_EQ(row.bounds[1], inf);
  EXPECT_LT(row.bounds[2], 1e-14);
  EXPECT_LT(run(text, {{{0, -0.0, 0.5}}, {{1}}}, 1, 1)[0].bounds[0], 1e-14);
}

TEST_F(InterpreterTest, OverflowOfFloat32IsUncertain) {
  const char *text = R"(
    keops.formula @f(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
      %0 = keops.exp %x : !keops.vec<1xf32, i>
      keops.return %0 : !keops.vec<1xf32, i>
    })";
  EXPECT_EQ(run(text, {{{100}}}, 1, 1)[0].bounds[0], inf);
  EXPECT_LT(run(text, {{{80}}}, 1, 1)[0].bounds[0], inf);
}

//===----------------------------------------------------------------------===//
// Rows by number
//===----------------------------------------------------------------------===//

/// y has three rows, i has two with two row numbers each; x depends on i.
TEST_F(InterpreterTest, GathersAndScatters) {
  std::string text = R"(
    keops.formula @f(%x: !keops.vec<1xf64, i>, %y: !keops.vec<2xf64, j>, %r: !keops.vec<2xi64, i>) ->
        (!keops.vec<4xf64, i>, !keops.vec<2xf64, i>, !keops.vec<4xf64, i>, !keops.vec<1xf64, j>, !keops.vec<2xf64, j>) {
      %rows = keops.gather %y over j [%r] : !keops.vec<2xf64, j>, !keops.vec<2xi64, i>
      %own = keops.gather %y over j [%r] groups 2 : !keops.vec<2xf64, j>, !keops.vec<2xi64, i>
      %p = keops.mul %x, %y : !keops.vec<1xf64, i>, !keops.vec<2xf64, j>
      %pairs = keops.gather %p over j [%r] : !keops.vec<2xf64, ij>, !keops.vec<2xi64, i>
      %two = keops.concat %x, %x : !keops.vec<1xf64, i>, !keops.vec<1xf64, i>
      %s = keops.scatter %two over j [%r] : !keops.vec<2xf64, i>, !keops.vec<2xi64, i>
      %sum = keops.reduce #keops.sum over i (%s) : (!keops.vec<1xf64, ij>) -> !keops.vec<1xf64, j>
      %total = keops.scatter total %two over j [%r] groups 2 : !keops.vec<2xf64, i>, !keops.vec<2xi64, i>
      keops.return %rows, %own, %pairs, %sum, %total : !keops.vec<4xf64, i>, !keops.vec<2xf64, i>, !keops.vec<4xf64, i>,
          !keops.vec<1xf64, j>, !keops.vec<2xf64, j>
    })";
  std::vector<Array> arrays = {{{10}, {100}, {0}}, {{1, 2}, {3, 4}, {5, 6}}, {{2, 0}, {2, 2}, {0, 0}}};
  // Row 0 of i and of j.
  std::vector<InterpreterRow> first = run(text, arrays, 2, 3);
  ASSERT_EQ(first.size(), 5u);
  expectSame(first[0].values, {5, 6, 1, 2}, "rows");
  expectSame(first[1].values, {5, 2}, "rows of each component");
  expectSame(first[2].values, {50, 60, 10, 20}, "pairs");
  expectSame(first[3].values, {10}, "sum for row 0");
  expectSame(first[4].values, {0, 10}, "sum of each component for row 0");
  expectSame(again(arrays, 2, 3, 1)[2].values, {500, 600, 500, 600}, "pairs of row 1");
  std::vector<InterpreterRow> last = again(arrays, 2, 3, 2);
  expectSame(last[3].values, {210}, "sum for row 2");
  expectSame(last[4].values, {110, 100}, "sum of each component for row 2");
}

} // namespace
