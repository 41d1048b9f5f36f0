//===- InterpreterReductionsTest.cpp - What reductions and formulas mean --*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Known numbers for every reduction, at the edges above all, and for formulas
// of several of them, before and after simplifying.
//
//===----------------------------------------------------------------------===//

#include "InterpreterTesting.h"

#include "keops/Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"

#include <map>

namespace keops::interpretertest {
namespace {

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

} // namespace
} // namespace keops::interpretertest
