//===- InterpreterTest.cpp - What ops mean ----------------------*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Known numbers for every op, at the edges above all. The ops are enumerated
// from the dialect: one without a case fails.
//
//===----------------------------------------------------------------------===//

#include "InterpreterTesting.h"

#include <map>

namespace keops::interpretertest {
namespace {

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
} // namespace keops::interpretertest
