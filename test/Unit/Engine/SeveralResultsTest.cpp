//===- SeveralResultsTest.cpp - One kernel for several reductions -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reductions of the same arguments compiled together give what each gives
// alone, in order, for few rows and many; and what cannot be together is said.
//
//===----------------------------------------------------------------------===//

#include "EngineTesting.h"

#include <cmath>

using namespace keops;
using namespace keops::test;

namespace {

class SeveralResultsTest : public testing::Test {
protected:
  Formula x = rowVariable(0, 3), y = columnVariable(1, 3), b = columnVariable(2, 1), e = rowVariable(3, 1);
  Reduction gauss = sum(exp(-sqdist(x, y)) * b, Over::Columns);
  Engine engine{inMemory()};
};

TEST_F(SeveralResultsTest, ValueAndGradientAreThoseOfTheirOwnKernels) {
  for (DType type : {DType::F32, DType::F64}) {
    Kernel together = engine.compile({gauss, gradient(gauss, x, e)}, type);
    ASSERT_EQ(together.results().size(), 2u);
    EXPECT_EQ(together.results()[0].dim, 1);
    EXPECT_EQ(together.results()[1].dim, 3);
    Kernel value = engine.compile(gauss, type), slope = engine.compile(gradient(gauss, x, e), type);
    for (auto sizes : {std::pair<int64_t, int64_t>{1, 300}, {3, 70}, {70, 3}, {257, 131}, {1, 0}}) {
      int64_t rows = sizes.first, columns = sizes.second;
      auto run = [&](auto zero) {
        using M = Matrix<decltype(zero)>;
        double tolerance = std::is_same_v<decltype(zero), float> ? 2e-5 : 1e-13;
        M X = M::random(rows, 3, 1), Y = M::random(columns, 3, 2), B = M::random(columns, 1, 3),
          E = M::random(rows, 1, 4), v(rows, 1), g(rows, 3), v2(rows, 1), g2(rows, 3);
        together({v, g}, {X, Y, B, E});
        value({v2}, {X, Y, B});
        slope({g2}, {X, Y, B, E});
        for (int64_t n = 0; n < rows; ++n)
          EXPECT_NEAR(v.numbers[n], v2.numbers[n], tolerance) << rows << " rows";
        for (int64_t n = 0; n < 3 * rows; ++n)
          EXPECT_NEAR(g.numbers[n], g2.numbers[n], tolerance) << rows << " rows";
      };
      if (type == DType::F32)
        run(0.0F);
      else
        run(0.0);
    }
  }
}

TEST_F(SeveralResultsTest, ResultsOfOneReductionStayTogether) {
  using M = Matrix<double>;
  Reduction nearest = {"Min_ArgMin", sqdist(x, y), Over::Columns, 0, nullptr, {}},
            count = sum(1 + 0 * sqdist(x, y), Over::Columns);
  Kernel kernel = engine.compile({nearest, logsumexp(-sqdist(x, y), Over::Columns), count}, DType::F64);
  ASSERT_EQ(kernel.results().size(), 4u);
  EXPECT_EQ(kernel.results()[1].type, DType::I64);
  M X = M::random(40, 3, 1), Y = M::random(33, 3, 2), least(40, 1), log(40, 1), number(40, 1);
  Matrix<int64_t> where(40, 1);
  kernel({least, where, log, number}, {X, Y});
  for (int64_t i = 0; i < 40; ++i) {
    double best = INFINITY, sum = 0;
    int64_t at = 0;
    for (int64_t j = 0; j < 33; ++j) {
      double distance = squaredDistance(X[i], Y[j], 3);
      sum += std::exp(-distance);
      if (distance < best) {
        best = distance;
        at = j;
      }
    }
    EXPECT_NEAR(least.numbers[i], best, 1e-14);
    EXPECT_EQ(where.numbers[i], at);
    EXPECT_NEAR(log.numbers[i], std::log(sum), 1e-13);
    EXPECT_EQ(number.numbers[i], 33);
  }
}

TEST_F(SeveralResultsTest, OrderAndNumberMakeAnotherKernel) {
  Reduction other = sum(sqdist(x, y), Over::Columns);
  EXPECT_EQ(engine.compile({gauss, other}, DType::F32).results().size(), 2u);
  EXPECT_EQ(engine.compile({gauss}, DType::F32).results().size(), 1u);
  using M = Matrix<float>;
  M X = M::random(5, 3, 1), Y = M::random(9, 3, 2), B = M::random(9, 1, 3), a(5, 1), c(5, 1), a2(5, 1), c2(5, 1);
  engine.compile({gauss, other}, DType::F32)({a, c}, {X, Y, B});
  engine.compile({other, gauss}, DType::F32)({c2, a2}, {X, Y, B});
  for (int64_t i = 0; i < 5; ++i) {
    EXPECT_NEAR(a.numbers[i], a2.numbers[i], 1e-5);
    EXPECT_NEAR(c.numbers[i], c2.numbers[i], 1e-4);
  }
}

TEST_F(SeveralResultsTest, OfBothIndices) {
  using M = Matrix<double>;
  Kernel kernel = engine.compile({gauss, gradient(gauss, y, e)}, DType::F64);
  M X = M::random(13, 3, 1), Y = M::random(9, 3, 2), B = M::random(9, 1, 3), E = M::random(13, 1, 4), a(13, 1), c(9, 3),
    a2(13, 1), c2(9, 3);
  EXPECT_EQ(kernel.resultRows({X, Y, B, E}, 0), 13);
  EXPECT_EQ(kernel.resultRows({X, Y, B, E}, 1), 9);
  kernel({a, c}, {X, Y, B, E});
  engine.compile(gauss, DType::F64)({a2}, {X, Y, B});
  engine.compile(gradient(gauss, y, e), DType::F64)({c2}, {X, Y, B, E});
  for (size_t n = 0; n < a.numbers.size(); ++n)
    EXPECT_NEAR(a.numbers[n], a2.numbers[n], 1e-13);
  for (size_t n = 0; n < c.numbers.size(); ++n)
    EXPECT_NEAR(c.numbers[n], c2.numbers[n], 1e-13);
  expectError([&] { kernel({a, a}, {X, Y, B, E}); }, {"result 1", "expected 9 × 3", "13 × 1"});
}

TEST_F(SeveralResultsTest, TextsAndTheirAliases) {
  std::vector<std::string> texts = {"Sum_Reduction(Exp(-SqDist(x,y))*b,0)",
                                    "Grad(Sum_Reduction(Exp(-SqDist(x,y))*b,0),x,Vi(3,1))"};
  Kernel kernel = engine.compile(texts, {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)"}, DType::F32);
  EXPECT_EQ(kernel.arguments().size(), 4u);
  EXPECT_EQ(kernel.results().size(), 2u);
}

TEST_F(SeveralResultsTest, WhatCannotBeTogether) {
  expectError([&] { engine.compile(std::vector<Reduction>(), DType::F32); }, {"expected at least one reduction"});
  expectError([&] { engine.compile({gauss, sum(rowVariable(0, 4), Over::Columns)}, DType::F32); },
              {"argument 0 is used as", "Vi(0,3)", "Vi(0,4)"});
  expectError(
      [&] { engine.compile({gauss, Reduction{"KMin", sqdist(x, y), Over::Columns, 0, nullptr, {}}}, DType::F32); },
      {"KMin"});
  std::vector<std::string> texts = {"Sum_Reduction(Vi(0,3)-Vj(1,3),0)", "Vi(0,3)"};
  expectError([&] { engine.compile(texts, {}, DType::F32); }, {"expected a reduction, got a formula"});
}

} // namespace
