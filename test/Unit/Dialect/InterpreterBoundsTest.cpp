//===- InterpreterBoundsTest.cpp - How far numbers may be off ---*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The bounds of errors that the interpreter gives: never too small, and small
// enough to prove something.
//
//===----------------------------------------------------------------------===//

#include "InterpreterTesting.h"

namespace keops::interpretertest {
namespace {

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

} // namespace
} // namespace keops::interpretertest
