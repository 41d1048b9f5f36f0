//===- ProgramsTest.cpp - Formulas that take several passes -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Whatever runs between the arrays of a call (threads, batches, ranges, caches)
// must not show in the result of a program. What programs compute is compared
// with NumPy in python-bindings/tests/test_passes.py.
//
//===----------------------------------------------------------------------===//

#include "EngineTesting.h"

#include "gtest/gtest.h"

#include <filesystem>
#include <numeric>

using namespace keops;
using namespace keops::test;

namespace {

using M = Matrix<double>;

struct ProgramsTest : testing::Test {
  /// The gradient in y of Σ_i e_i log Σ_j exp(x_i·y_j), and that of Σ_i ⟨r_i, the three smallest |x_i − y_j|²⟩.
  Reduction inColumns = gradient(logsumexp(dot(x, y), Over::Columns), y, e);
  Reduction ofNearest = gradient(Reduction{"KMin", sqdist(x, y), Over::Columns, 3, nullptr, {}}, y, r);
  static inline const Formula x = rowVariable(0, 3), y = columnVariable(1, 3), e = rowVariable(2, 1),
                              r = rowVariable(2, 3);
  Engine engine{inMemory()};
};

TEST_F(ProgramsTest, SameBitsForAnyNumberOfThreads) {
  constexpr int64_t rows = 3000, columns = 4100;
  M X = M::random(rows, 3, 1), Y = M::random(columns, 3, 2), E = M::random(rows, 1, 3), R = M::random(rows, 3, 4);
  for (const Reduction &reduction : {inColumns, ofNearest}) {
    Kernel kernel = engine.compile(reduction, DType::F64);
    const M &last = reduction.name == "KMin" ? R : E;
    M one(columns, 3), many(columns, 3);
    kernel({one}, {X, Y, last}, 1);
    for (int threads : {2, 3, 7}) {
      kernel({many}, {X, Y, last}, threads);
      EXPECT_TRUE(one == many) << reduction.name << " with " << threads << " threads";
    }
  }
}

TEST_F(ProgramsTest, DiskCacheKeepsTheSteps) {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("keops-programs-" + std::to_string(getpid()));
  Engine::Options options;
  options.cacheFolder = folder;
  M X = M::random(20, 3, 1), Y = M::random(30, 3, 2), R = M::random(20, 3, 4), first(30, 3), second(30, 3);
  {
    Kernel kernel = Engine(options).compile(ofNearest, DType::F64);
    EXPECT_STREQ(kernel.origin(), "compiled");
    kernel({first}, {X, Y, R});
  }
  Kernel kernel = Engine(options).compile(ofNearest, DType::F64);
  EXPECT_STREQ(kernel.origin(), "disk");
  kernel({second}, {X, Y, R});
  EXPECT_TRUE(first == second);
  std::filesystem::remove_all(folder);
}

TEST_F(ProgramsTest, BatchesAreComputedOnTheirOwn) {
  constexpr int64_t rows = 9, columns = 11, batches = 4;
  M X = M::random(batches * rows, 3, 1), Y = M::random(columns, 3, 2), R = M::random(rows, 3, 4),
    all(batches * columns, 3), one(columns, 3);
  Kernel kernel = engine.compile(ofNearest, DType::F64);
  ConstArray stacked = X;
  stacked.rows = rows;
  stacked.batch = {{batches, rows * 3}};
  Array out = all;
  out.rows = columns;
  out.batch = {batches};
  kernel({out}, {stacked, Y, R});
  for (int64_t batch = 0; batch < batches; ++batch) {
    ConstArray own = X;
    own.data = X[batch * rows];
    own.rows = rows;
    kernel({one}, {own, Y, R});
    for (int64_t n = 0; n < columns * 3; ++n)
      EXPECT_EQ(all.numbers[batch * columns * 3 + n], one.numbers[n]) << batch << ", " << n;
  }
}

/// Ranges that name all pairs, some in pieces that overlap in no pair, change nothing.
TEST_F(ProgramsTest, TransposesRanges) {
  constexpr int64_t rows = 40, columns = 50;
  M X = M::random(rows, 3, 1), Y = M::random(columns, 3, 2), E = M::random(rows, 1, 3), dense(columns, 3),
    sparse(columns, 3);
  Kernel kernel = engine.compile(inColumns, DType::F64);
  kernel({dense}, {X, Y, E});
  // The result has a row for each j: clusters are of columns.
  const int64_t clusters[] = {30, 50, 0, 17, 17, 30}, slices[] = {2, 3, 6};
  const int64_t intervals[] = {20, 40, 0, 20, 0, 40, 5, 40, 0, 3, 3, 5};
  Ranges ranges{clusters, slices, 3, intervals, 6};
  kernel({sparse}, {X, Y, E}, 0, &ranges);
  for (size_t n = 0; n < dense.numbers.size(); ++n)
    EXPECT_NEAR(sparse.numbers[n], dense.numbers[n], 1e-13) << n;
  // Pairs that are named twice count twice.
  const int64_t whole[] = {0, columns}, two[] = {2}, twice[] = {0, rows, 0, rows};
  Ranges doubled{whole, two, 1, twice, 2};
  kernel({sparse}, {X, Y, E}, 0, &doubled);
  // The log-sum-exp is larger by log 2, each weight half as large, and there are two of each.
  for (size_t n = 0; n < dense.numbers.size(); ++n)
    EXPECT_NEAR(sparse.numbers[n], dense.numbers[n], 1e-13) << n;
}

TEST_F(ProgramsTest, ParametersHaveOneRow) {
  Formula p = parameter(3, 2);
  Reduction sums = sum(Formula::call("Exp", {-sqdist(x, y) * Formula::call("Sum", {p * p})}), Over::Columns);
  sums.aliases = {"x = Vi(3)", "y = Vj(3)", "e = Vi(1)", "p = Pm(2)"};
  Kernel kernel = engine.compile(gradient(sums, p, e), DType::F64);
  constexpr int64_t rows = 13, columns = 17;
  M X = M::random(rows, 3, 1), Y = M::random(columns, 3, 2), E = M::random(rows, 1, 3), P = M::random(1, 2, 5),
    out(1, 2);
  EXPECT_EQ(kernel.resultRows({X, Y, E, P}), 1);
  kernel({out}, {X, Y, E, P});
  double expected = 0, square = P[0][0] * P[0][0] + P[0][1] * P[0][1];
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      double distance = squaredDistance(X[i], Y[j], 3);
      expected -= E[i][0] * distance * std::exp(-distance * square) * 2;
    }
  EXPECT_NEAR(out[0][0], expected * P[0][0], 1e-12);
  EXPECT_NEAR(out[0][1], expected * P[0][1], 1e-12);
  M rowsOfIt(rows, 2);
  expectError([&] { kernel({rowsOfIt}, {X, Y, E, P}); }, {"expected 1 × 2 elements", "13 × 2"});
  EXPECT_NE(kernel.explain().find("step 2: a pass over the pairs that reduces i"), std::string::npos)
      << kernel.explain();
}

TEST_F(ProgramsTest, RunsOnTheSimulator) {
  M X = M::random(40, 3, 1), Y = M::random(50, 3, 2), E = M::random(40, 1, 3), expected(50, 3), found(50, 3);
  engine.compile(inColumns, DType::F64)({expected}, {X, Y, E});
  CompileOptions simulator;
  simulator.target = "sim";
  engine.compile(inColumns, DType::F64, simulator)({found}, {X, Y, E});
  for (size_t n = 0; n < found.numbers.size(); ++n)
    EXPECT_NEAR(found.numbers[n], expected.numbers[n], 1e-12) << n;
}

} // namespace
