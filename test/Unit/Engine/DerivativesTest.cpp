//===- DerivativesTest.cpp - Derivatives through the C++ door ------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gradients and tangents of reductions as C++ programs write them, against the
// derivatives of plain sums in float64.
//
//===----------------------------------------------------------------------===//

#include "EngineTesting.h"

#include <cmath>

using namespace keops;
using namespace keops::test;

namespace {

using M = Matrix<double>;
constexpr int64_t rows = 37, columns = 53;

class DerivativesTest : public testing::Test {
protected:
  double kernel(int64_t i, int64_t j) const { return std::exp(-squaredDistance(X[i], Y[j], 3)); }

  Formula x = rowVariable(0, 3), y = columnVariable(1, 3), b = columnVariable(2, 1), e = rowVariable(3, 1);
  M X = M::random(rows, 3, 1), Y = M::random(columns, 3, 2), B = M::random(columns, 1, 3), E = M::random(rows, 1, 4);
  Reduction gauss = sum(exp(-sqdist(x, y)) * b, Over::Columns);
  Engine engine{inMemory()};
};

TEST_F(DerivativesTest, GradientInBothVariables) {
  M inX(rows, 3), inY(columns, 3);
  engine.compile(gradient(gauss, x, e), DType::F64)({inX}, {X, Y, B, E});
  // The cotangent is made: the next argument, with the rows of the sum.
  Kernel made = engine.compile(gradient(gauss, y), DType::F64);
  ASSERT_EQ(made.arguments().size(), 4u);
  made({inY}, {X, Y, B, E});
  M expectedX(rows, 3), expectedY(columns, 3);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t d = 0; d < 3; ++d) {
        double term = -2 * (X[i][d] - Y[j][d]) * kernel(i, j) * B[j][0] * E[i][0];
        expectedX[i][d] += term;
        expectedY[j][d] -= term;
      }
  for (size_t n = 0; n < inX.numbers.size(); ++n)
    EXPECT_NEAR(inX.numbers[n], expectedX.numbers[n], 1e-12) << n;
  for (size_t n = 0; n < inY.numbers.size(); ++n)
    EXPECT_NEAR(inY.numbers[n], expectedY.numbers[n], 1e-12) << n;
}

TEST_F(DerivativesTest, TangentOfAGradient) {
  M U = M::random(rows, 3, 5), out(rows, 3);
  Formula u = rowVariable(4, 3);
  engine.compile(diff(gradient(gauss, x, e), x, u), DType::F64)({out}, {X, Y, B, E, U});
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t d = 0; d < 3; ++d) {
      double expected = 0;
      for (int64_t j = 0; j < columns; ++j) {
        double along = 0;
        for (int64_t c = 0; c < 3; ++c)
          along += (X[i][c] - Y[j][c]) * U[i][c];
        expected += (4 * (X[i][d] - Y[j][d]) * along - 2 * U[i][d]) * kernel(i, j) * B[j][0] * E[i][0];
      }
      EXPECT_NEAR(out[i][d], expected, 1e-12) << i << ", " << d;
    }
}

TEST_F(DerivativesTest, FormulaForEachPair) {
  M out(rows, 3);
  Reduction terms = sum(gradient(exp(-sqdist(x, y)), x, e), Over::Columns);
  terms.aliases = {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "e = Vi(1)"};
  engine.compile(terms, DType::F64)({out}, {X, Y, B, E});
  for (int64_t i = 0; i < rows; ++i) {
    double expected = 0;
    for (int64_t j = 0; j < columns; ++j)
      expected += -2 * (X[i][1] - Y[j][1]) * kernel(i, j) * E[i][0];
    EXPECT_NEAR(out[i][1], expected, 1e-12);
  }
}

TEST_F(DerivativesTest, InterpretsWhatItCompiles) {
  Kernel kernel = engine.compile(gradient(gauss, y, e), DType::F64);
  M out(columns, 3);
  kernel({out}, {X, Y, B, E});
  std::vector<std::vector<double>> values, bounds;
  kernel.interpret({X, Y, B, E}, {0, columns - 1}, values, bounds);
  for (int64_t d = 0; d < 3; ++d) {
    EXPECT_NEAR(values[0][d], out[0][d], 1e-12);
    EXPECT_NEAR(values[0][3 + d], out[columns - 1][d], 1e-12);
  }
}

TEST_F(DerivativesTest, ErrorsSayWhatCannotBe) {
  expectError([&] { gradient(gauss, x * x); }, {"argument 2 of Grad", "variable"});
  expectError([&] { engine.compile(gradient(gauss, x, y), DType::F64); }, {"cotangent of dimension 1", "dimension 3"});
}

} // namespace
