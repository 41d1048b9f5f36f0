//===- CudaProgressTest.cpp - How far calls on a GPU are -----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arrays that go through a device's memory in pieces say after each how many
// pairs are done; others say the end.
//
//===----------------------------------------------------------------------===//

#include "CudaTesting.h"

using namespace keops;
using namespace keops::test;

namespace {

using M = Matrix<float>;

class CudaProgress : public OnDouble {
protected:
  /// What a Gaussian sum of so many rows and columns tells, which must grow to 1.
  std::vector<double> partsOf(int64_t rows, int64_t columns, int64_t memory, int64_t batches = 1) {
    M x = M::random(batches * rows, 3, 1), y = M::random(columns, 3, 2), b = M::random(columns, 1, 3);
    M found(batches * rows, 1), plain(batches * rows, 1);
    ConstArray many = {x.numbers.data(), rows, 3, DType::F32};
    many.batch = {{batches, rows * 3}};
    Array foundArray = {found.numbers.data(), rows, 1, DType::F32, {batches}};
    Array plainArray = {plain.numbers.data(), rows, 1, DType::F32, {batches}};
    cuda->settings().memory = memory;
    Kernel kernel = compile("Sum_Reduction(Exp(-SqDist(x,y))*b, 0)", {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)"});
    std::vector<double> parts;
    size_t launches = 0;
    Progress progress = [&](double part) {
      parts.push_back(part);
      launches = cuda->launches().size();
    };
    kernel({foundArray}, {many, y, b}, 0, nullptr, &progress);
    // The end comes last.
    EXPECT_EQ(launches, cuda->launches().size());
    kernel({plainArray}, {many, y, b});
    EXPECT_EQ(found.numbers, plain.numbers);
    EXPECT_EQ(std::adjacent_find(parts.begin(), parts.end(), std::greater_equal<>()), parts.end());
    EXPECT_TRUE(!parts.empty() && parts.front() > 0 && std::abs(parts.back() - 1) < 1e-12 && parts.back() <= 1);
    return parts;
  }
};

TEST_F(CudaProgress, TellsTheEndOfWhatFits) { EXPECT_EQ(partsOf(67, 131, 1 << 20).size(), 1u); }

TEST_F(CudaProgress, TellsPiecesOfRows) {
  std::vector<double> parts = partsOf(3000, 131, 32 << 10);
  ASSERT_GE(parts.size(), 2u);
  EXPECT_LT(parts.front(), 0.9);
}

TEST_F(CudaProgress, TellsBatches) {
  std::vector<double> parts = partsOf(500, 131, 16 << 10, 4);
  ASSERT_GE(parts.size(), 4u);
  EXPECT_LE(parts.front(), 0.25);
}

TEST_F(CudaProgress, TellsWindowsOfColumns) {
  std::vector<double> parts = partsOf(60, 2000, 27 << 10);
  ASSERT_GE(parts.size(), 2u);
  EXPECT_LT(parts.front(), 0.9);
}

// A call that has to begin again does not go back.
TEST_F(CudaProgress, NeverGoesBack) {
  cuda->failCall("cuMemAllocFromPoolAsync", 2, /*after=*/6);
  EXPECT_GE(partsOf(3000, 131, 32 << 10).size(), 4u);
}

// A program whose arrays do not fit together goes through the device pass by pass.
TEST_F(CudaProgress, TellsPassesOfPrograms) {
  constexpr int64_t rows = 1500, columns = 1200;
  M x = M::random(rows, 3, 1), y = M::random(columns, 3, 2), e = M::random(rows, 1, 3), found(columns, 3);
  cuda->settings().memory = 52 << 10;
  Kernel kernel = compile("Grad(Min_Reduction(SqDist(x,y), 0), y, e)", {"x = Vi(3)", "y = Vj(3)", "e = Vi(1)"});
  std::vector<double> parts;
  Progress progress = [&](double part) { parts.push_back(part); };
  kernel({found}, {x, y, e}, 0, nullptr, &progress);
  EXPECT_TRUE(std::is_sorted(parts.begin(), parts.end()));
  ASSERT_GE(parts.size(), 2u);
  EXPECT_LE(parts.front(), 0.5);
  EXPECT_EQ(parts.back(), 1);
}

TEST_F(CudaProgress, TellsTheEndOfNothing) { EXPECT_EQ(partsOf(67, 0, 1 << 20), std::vector<double>{1}); }

} // namespace
