//===- GpuLaunchTest.cpp - How a kernel is launched on a GPU ---------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Grids beyond a device's limits, and sizes beyond 32 bits. What kernels make of
// the plan is tested with them.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/GpuLaunch.h"
#include "Runtime/HostArrays.h"

#include "gtest/gtest.h"

#include <numeric>

using namespace keops::runtime;

namespace {

LaunchRule makeRule() {
  LaunchRule rule;
  rule.entry = "kernel";
  rule.rowsPerBlock = 100;
  rule.threads = 32;
  rule.sharedBytes = 64;
  rule.arguments = {{Axis::Row, DType::F32, 2}};
  rule.results = {{DType::F32, 3, {3}, Axis::Row}};
  return rule;
}

/// A call of one argument, and what it points to.
struct TestCall {
  int64_t rowStride = 2, componentStride = 1, batches, batchStride = 1000;
  CpuCall call;
  TestCall(int64_t rows, int64_t columns, int64_t batches) : batches(batches) {
    call.rowStrides = &rowStride;
    call.componentStrides = &componentStride;
    call.rows = rows;
    call.columns = columns;
    call.batchAxes = 1;
    call.batchSizes = &this->batches;
    call.batchStrides = &batchStride;
  }
};

TEST(GpuLaunch, CutsGridsThatAreTooLarge) {
  TestCall test(950, 7, 5);
  GpuPlan plan = planGpuLaunch(makeRule(), test.call, {4, 2});
  // 10 blocks in parts of 4, 4 and 2, for batches in parts of 2, 2 and 1.
  ASSERT_EQ(plan.launches.size(), 9u);
  int64_t work = 0;
  for (const GpuLaunch &launch : plan.launches) {
    work += launch.grid[0] * launch.grid[1];
    EXPECT_LE(launch.grid[0], 4);
    EXPECT_LE(launch.grid[1], 2);
  }
  EXPECT_EQ(work, 50);
  // The last one: batch 4, blocks 8 and 9.
  const GpuLaunch &last = plan.launches.back();
  ASSERT_EQ(last.parameters.size(), 8u);
  EXPECT_EQ(last.threads, 32);
  EXPECT_EQ(last.sharedBytes, 64);
  EXPECT_EQ(last.parameters[3].value, 4 * 950 * 3 * 4);
  EXPECT_EQ(last.parameters[5].value, 8 * 32);
  EXPECT_EQ(last.parameters[7].value, 4 * 8);
  EXPECT_EQ(plan.tables[2], (std::vector<int64_t>{0, 1000, 2000, 3000, 4000}));
}

TEST(GpuLaunch, CountsColumnsBeyond32Bits) {
  constexpr int64_t columns = int64_t(3) << 31;
  TestCall test(1, columns, 1);
  GpuPlan plan = planGpuLaunch(makeRule(), test.call);
  ASSERT_EQ(plan.launches.size(), 1u);
  EXPECT_EQ(plan.tables[1], (std::vector<int64_t>{0, columns}));
}

TEST(GpuLaunch, CountsRowsBeyond32Bits) {
  constexpr int64_t rows = int64_t(3) << 31;
  LaunchRule rule = makeRule();
  rule.rowsPerBlock = int64_t(1) << 30;
  TestCall test(rows, 1, 1);
  GpuPlan plan = planGpuLaunch(rule, test.call);
  ASSERT_EQ(plan.launches.size(), 1u);
  EXPECT_EQ(plan.launches[0].grid[0], 6);
  EXPECT_EQ(plan.tables[0][5 * 4 + 1], rows);
}

TEST(GpuLaunch, NothingToDoIsNoLaunch) {
  TestCall noRows(0, 5, 1), noBatches(5, 5, 0);
  EXPECT_TRUE(planGpuLaunch(makeRule(), noRows.call).launches.empty());
  EXPECT_TRUE(planGpuLaunch(makeRule(), noBatches.call).launches.empty());
}

//===----------------------------------------------------------------------===//
// Arrays on their way
//===----------------------------------------------------------------------===//

std::vector<int32_t> packed(const HostArray &array) {
  std::vector<int32_t> numbers(array.packedBytes() / sizeof(int32_t), -1);
  array.pack(reinterpret_cast<char *>(numbers.data()));
  return numbers;
}

TEST(HostArrays, PacksWhatHasGaps) {
  std::vector<int32_t> numbers(24);
  std::iota(numbers.begin(), numbers.end(), 0);
  const char *data = reinterpret_cast<const char *>(numbers.data());
  HostArray contiguous{data, 4, {{3, 8}, {2, 4}, {4, 1}}};
  EXPECT_TRUE(contiguous.isPacked());
  EXPECT_EQ(packed(contiguous), numbers);
  HostArray strided{data, 4, {{3, 8}, {2, 3}}};
  EXPECT_FALSE(strided.isPacked());
  EXPECT_EQ(packed(strided), (std::vector<int32_t>{0, 3, 8, 11, 16, 19}));
  EXPECT_EQ(strided.packedStrides(), (std::vector<int64_t>{2, 1}));
  HostArray reversed{data + 23 * 4, 4, {{3, -8}, {2, -1}}};
  EXPECT_EQ(packed(reversed), (std::vector<int32_t>{23, 22, 15, 14, 7, 6}));
  HostArray transposed{data, 4, {{2, 1}, {3, 8}}};
  EXPECT_EQ(packed(transposed), (std::vector<int32_t>{0, 8, 16, 1, 9, 17}));
}

TEST(HostArrays, SendsWhatIsRepeatedOnce) {
  std::vector<int32_t> numbers = {1, 2, 3};
  HostArray repeated{reinterpret_cast<const char *>(numbers.data()), 4, {{1000, 0}, {3, 1}, {1, 77}}};
  EXPECT_EQ(repeated.packedBytes(), 12);
  EXPECT_TRUE(repeated.isPacked());
  EXPECT_EQ(repeated.packedStrides(), (std::vector<int64_t>{0, 1, 0}));
  HostArray empty{reinterpret_cast<const char *>(numbers.data()), 4, {{0, 3}, {3, 1}}};
  EXPECT_EQ(empty.packedBytes(), 0);
  EXPECT_EQ(packed(empty), std::vector<int32_t>());
}

TEST(HostArrays, CutsRanges) {
  const int64_t rows[] = {0, 10, 20, 30}, slices[] = {1, 3}, columns[] = {0, 5, 1, 2, 3, 4};
  RangesOfRows part({rows, slices, 2, columns, 3}, 5, 22);
  const Ranges &ranges = *part.get();
  ASSERT_EQ(ranges.clusters, 2);
  EXPECT_EQ(std::vector<int64_t>(ranges.rows, ranges.rows + 4), (std::vector<int64_t>{0, 5, 15, 17}));
  EXPECT_EQ(std::vector<int64_t>(ranges.slices, ranges.slices + 2), (std::vector<int64_t>{1, 3}));
  EXPECT_EQ(std::vector<int64_t>(ranges.columns, ranges.columns + 6), (std::vector<int64_t>{0, 5, 1, 2, 3, 4}));
  RangesOfRows none({rows, slices, 2, columns, 3}, 12, 18);
  EXPECT_EQ(none.get()->clusters, 0);
}

} // namespace
