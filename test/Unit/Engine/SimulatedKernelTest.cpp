//===- SimulatedKernelTest.cpp - The target "sim" through the C++ door -----===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The layouts of arrays that a program can do nothing about with files: strides,
// and arguments that share their memory.
//
//===----------------------------------------------------------------------===//

#include "EngineTesting.h"

#include <cmath>

using namespace keops;
using namespace keops::test;

namespace {

using M = Matrix<float>;

class SimulatedKernel : public testing::Test {
protected:
  Kernel compile(const std::string &text, const std::vector<std::string> &aliases, bool fastMath = true) {
    CompileOptions options;
    options.target = "sim";
    options.fastMath = fastMath;
    return engine.compile(text, aliases, DType::F32, options);
  }

  Engine engine{inMemory()};
};

TEST_F(SimulatedKernel, ReadsStridedAndReversedArrays) {
  constexpr int64_t rows = 21, columns = 35;
  M x = M::random(rows, 6, 1), y = M::random(3, columns, 2), out(rows, 1);
  // Every second component of x, last row first; y is stored by component.
  ConstArray strided = {x[rows - 1], rows, 3, DType::F32};
  strided.rowStride = -6;
  strided.componentStride = 2;
  ConstArray transposed = {y.numbers.data(), columns, 3, DType::F32};
  transposed.rowStride = 1;
  transposed.componentStride = columns;
  compile("Sum_Reduction(Exp(-SqDist(x,y)), 0)", {"x = Vi(3)", "y = Vj(3)"})({out}, {strided, transposed});
  for (int64_t i = 0; i < rows; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < columns; ++j) {
      float a[3], b[3];
      for (int64_t d = 0; d < 3; ++d) {
        a[d] = x[rows - 1 - i][2 * d];
        b[d] = y[d][j];
      }
      sum += std::exp(-squaredDistance(a, b, 3));
    }
    EXPECT_NEAR(out[i][0], sum, 1e-5 * (1 + sum)) << "row " << i;
  }
}

TEST_F(SimulatedKernel, ArgumentsMayShareMemory) {
  M x = M::random(19, 3, 1), out(19, 1);
  ConstArray shorter = {x[4], 11, 3, DType::F32};
  compile("Sum_Reduction(SqDist(x,y), 0)", {"x = Vi(3)", "y = Vj(3)"})({out}, {x, shorter});
  for (int64_t i = 0; i < x.rows; ++i) {
    double sum = 0;
    for (int64_t j = 4; j < 15; ++j)
      sum += squaredDistance(x[i], x[j], 3);
    EXPECT_NEAR(out[i][0], sum, 1e-5 * (1 + sum)) << "row " << i;
  }
}

// Two batches that share their rows, and of the columns those that each cluster of rows names.
TEST_F(SimulatedKernel, TakesBatchesAndRanges) {
  constexpr int64_t rows = 7, columns = 11, batches = 2;
  M x = M::random(rows, 3, 1), y = M::random(batches * columns, 3, 2), out(batches * rows, 1, -1);
  ConstArray shared = x, stacked = {y.numbers.data(), columns, 3, DType::F32};
  stacked.batch = {{batches, columns * 3}};
  Array results = {out.numbers.data(), rows, 1, DType::F32, {batches}};
  const int64_t rowRanges[] = {0, 2, 4, 7}, slices[] = {1, 3}, columnRanges[] = {1, 4, 0, 2, 9, 11};
  Ranges ranges{rowRanges, slices, 2, columnRanges, 3};
  compile("Sum_Reduction(SqDist(x,y), 0)", {"x = Vi(3)", "y = Vj(3)"})({results}, {shared, stacked}, 0, &ranges);
  for (int64_t batch = 0; batch < batches; ++batch)
    for (int64_t i = 0; i < rows; ++i) {
      double sum = 0;
      for (int64_t j = 0; j < columns; ++j) {
        bool first = i < 2 && j >= 1 && j < 4, second = i >= 4 && (j < 2 || j >= 9);
        if (first || second)
          sum += squaredDistance(x[i], y[batch * columns + j], 3);
      }
      EXPECT_NEAR(out[batch * rows + i][0], sum, 1e-5 * (1 + sum)) << "batch " << batch << ", row " << i;
    }
}

// How columns are split over blocks is the device's, and changes rounding alone: results of both columns and places are
// those of one block for each row, and the same at each call.
TEST_F(SimulatedKernel, StandsForADeviceOfItsMultiprocessors) {
  M x = M::random(5, 3, 1), y = M::random(900, 3, 2);
  std::vector<M> sums;
  std::vector<Matrix<int64_t>> places;
  for (int multiprocessors : {0, 132, 132, 7}) {
    Engine::Options options = inMemory();
    options.simulatedMultiprocessors = multiprocessors;
    Engine own{options};
    CompileOptions compiling;
    compiling.target = "sim";
    M sum(5, 1);
    Matrix<int64_t> place(5, 1);
    std::vector<std::string> aliases = {"x = Vi(3)", "y = Vj(3)"};
    own.compile("Sum_Reduction(Exp(-SqDist(x,y)), 0)", aliases, DType::F32, compiling)({sum}, {x, y});
    own.compile("ArgMin_Reduction(SqDist(x,y), 0)", aliases, DType::F32, compiling)({place}, {x, y});
    sums.push_back(sum);
    places.push_back(place);
  }
  EXPECT_TRUE(sums[1] == sums[2]);
  for (size_t n = 1; n < sums.size(); ++n) {
    EXPECT_TRUE(places[n] == places[0]);
    for (int64_t i = 0; i < 5; ++i)
      EXPECT_NEAR(sums[n][i][0], sums[0][i][0], 1e-4);
  }
}

TEST_F(SimulatedKernel, NoRowsAreNoWork) {
  M x(0, 3), y = M::random(5, 3, 1), out(0, 1);
  compile("Sum_Reduction(SqDist(x,y), 0)", {"x = Vi(3)", "y = Vj(3)"})({out}, {x, y});
}

TEST_F(SimulatedKernel, ChecksArraysAsAnyKernel) {
  M x = M::random(5, 2, 1), y = M::random(5, 3, 1), out(5, 1);
  Kernel kernel = compile("Sum_Reduction(SqDist(x,y), 0)", {"x = Vi(3)", "y = Vj(3)"});
  expectError([&] { kernel({out}, {x, y}); }, {"argument 0 (x)", "expected 3 columns, got 2"});
}

// The k smallest lie in memory of the threads, and functions without an instruction are called.
TEST_F(SimulatedKernel, SeveralPassesAndFunctionsOfTheLibrary) {
  constexpr int64_t rows = 13, columns = 29, dim = 40;
  M x = M::random(rows, dim, 1), y = M::random(columns, dim, 2), out(rows, 3);
  compile("KMin_Reduction(Tanh(SqDist(x,y)/20), 3, 0)", {"x = Vi(40)", "y = Vj(40)"})({out}, {x, y});
  for (int64_t i = 0; i < rows; ++i) {
    std::vector<double> all;
    for (int64_t j = 0; j < columns; ++j)
      all.push_back(std::tanh(squaredDistance(x[i], y[j], dim) / 20));
    std::sort(all.begin(), all.end());
    for (int64_t k = 0; k < 3; ++k)
      EXPECT_NEAR(out[i][k], all[k], 1e-5) << "row " << i << ", rank " << k;
  }
}

// Terms x·y that raise the maximum in each column, in none, in a few, and such that are infinite or no number. Columns
// fill a tile and more, and the last are less than a chunk.
TEST_F(SimulatedKernel, MaximaOfExponentialsRiseAnywhere) {
  constexpr int64_t columns = 515;
  constexpr float inf = INFINITY;
  std::vector<std::vector<float>> all(6, std::vector<float>(columns));
  for (int64_t j = 0; j < columns; ++j) {
    all[0][j] = 40.0f * static_cast<float>(j);                        // rises in each column
    all[1][j] = -40.0f * static_cast<float>(j);                       // never after the first
    all[2][j] = j % 3 == 0 ? -inf : j == 300 ? 50 : 0.01f * (j % 17); // now and then, and with weights 0
    all[3][j] = j < 290 ? -inf : static_cast<float>(j % 5);           // first in the second tile
    all[4][j] = j == 400 ? 3e38f : -static_cast<float>(j);            // once above all, and far
    all[5][j] = j == 77 ? inf : -static_cast<float>(j);
  }
  // 0 times an infinite number is none, and −∞ times a negative number is +∞.
  M x(9, 1, {1, 0.5, -1, 0, 1e-3f, 1e30f, -1e30f, 3e34f, 1}), b = M::random(columns, 2, 3);
  for (bool fastMath : {true, false}) {
    Kernel logarithm = compile("LogSumExp_Reduction(x*y, 0)", {"x = Vi(1)", "y = Vj(1)"}, fastMath);
    Kernel mean = compile("SumSoftMaxWeight_Reduction(x*y, 0, b)", {"x = Vi(1)", "y = Vj(1)", "b = Vj(2)"}, fastMath);
    for (const std::vector<float> &numbers : all) {
      M y(columns, 1, numbers), sums(x.rows, 1), means(x.rows, 2);
      logarithm({sums}, {x, y});
      mean({means}, {x, y, b});
      for (int64_t i = 0; i < x.rows; ++i) {
        std::string where = "row " + std::to_string(i) + ", y = " + std::to_string(numbers[1]) + " …";
        double maximum = -inf, sum = 0, weighted[2] = {0, 0};
        bool isNaN = false;
        for (float number : numbers) {
          maximum = std::max<double>(maximum, x[i][0] * number);
          isNaN |= std::isnan(x[i][0] * number);
        }
        if (isNaN) {
          EXPECT_TRUE(std::isnan(sums[i][0])) << where;
          continue;
        }
        if (std::isinf(maximum)) {
          EXPECT_EQ(sums[i][0], maximum) << where;
          continue;
        }
        for (int64_t j = 0; j < columns; ++j) {
          double weight = std::exp(x[i][0] * numbers[j] - maximum);
          sum += weight;
          for (int64_t d = 0; d < 2; ++d)
            weighted[d] += weight * b[j][d];
        }
        // A weight is off by what half a unit in the last place of the maximum is.
        double unit = 0x1p-23 * std::abs(maximum);
        EXPECT_NEAR(sums[i][0], maximum + std::log(sum), 1e-6 + unit) << where;
        for (int64_t d = 0; d < 2; ++d)
          EXPECT_NEAR(means[i][d], weighted[d] / sum, 2e-6 + 4 * std::min(unit, 0.5)) << where;
      }
    }
  }
}

TEST_F(SimulatedKernel, SaysWhatAThreadCannotHold) {
  expectError([&] { compile("Sum_Reduction(SoftDTW_SqDist(x,y,g), 0)", {"x = Vi(400)", "y = Vj(400)", "g = Pm(1)"}); },
              {"on the simulator", "bytes of memory for each thread, but a GPU has 524288"});
}

} // namespace
