//===- GpuLaunchTest.cpp - How a kernel is launched on a GPU ---------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Grids beyond a device's limits, sizes beyond 32 bits, and columns that blocks
// share. What kernels make of the plan is tested with them.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/GpuLaunch.h"
#include "Runtime/HostArrays.h"

#include "gtest/gtest.h"

#include <map>
#include <numeric>
#include <set>

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
  GpuFacts facts;
  facts.gridX = 4;
  facts.gridY = 2;
  GpuPlan plan = planGpuLaunch(makeRule(), test.call, facts);
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
  ASSERT_EQ(last.parameters.size(), 10u);
  EXPECT_EQ(last.threads, 32);
  EXPECT_EQ(last.sharedBytes, 64);
  EXPECT_EQ(last.parameters[3].value, 4 * 950 * 3 * 4);
  EXPECT_EQ(last.parameters[5].value, 8 * 40);
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
  EXPECT_EQ(plan.tables[0][5 * 5 + 1], rows);
}

TEST(GpuLaunch, NothingToDoIsNoLaunch) {
  TestCall noRows(0, 5, 1), noBatches(5, 5, 0);
  EXPECT_TRUE(planGpuLaunch(makeRule(), noRows.call).launches.empty());
  EXPECT_TRUE(planGpuLaunch(makeRule(), noBatches.call).launches.empty());
}

//===----------------------------------------------------------------------===//
// Columns that blocks share
//===----------------------------------------------------------------------===//

/// A rule of blocks that leave 1 KiB.
LaunchRule makeReduction() {
  LaunchRule rule = makeRule();
  rule.rowsPerBlock = rule.threads = 128;
  rule.stateBytes = 1024;
  return rule;
}

GpuFacts factsOf(int64_t multiprocessors) {
  GpuFacts facts;
  facts.multiprocessors = multiprocessors;
  return facts;
}

/// Walks a plan: the columns that each row's results hold, which must be all of [0, columns) once and in order,
/// although states are merged in rounds. Returns the number of launches that merge.
int64_t checkMerges(const GpuPlan &plan, const LaunchRule &rule, int64_t rows, int64_t columns, int64_t batches) {
  using Columns = std::vector<int64_t>; // the numbers of an interval after the other
  std::map<int64_t, Columns> states, results;
  int64_t merges = 0, most = 0;
  for (const GpuLaunch &launch : plan.launches) {
    bool merging = launch.entry == rule.entry + "_merge";
    EXPECT_TRUE(merging || launch.entry == rule.entry);
    merges += merging;
    EXPECT_EQ(launch.grid[1], batches);
    size_t first = 3 * rule.arguments.size() + rule.results.size() + 1;
    const GpuParameter &table = launch.parameters[first];
    const int64_t *entry = plan.tables[table.number].data() + table.value / 8;
    std::map<int64_t, Columns> made;
    for (int64_t n = 0; n < launch.grid[0]; ++n, entry += 5) {
      Columns columns;
      for (int64_t part = entry[2]; part < entry[3]; ++part) {
        Columns more = merging ? states.at(part) : Columns(&plan.tables[1][2 * part], &plan.tables[1][2 * part + 2]);
        columns.insert(columns.end(), more.begin(), more.end());
      }
      most = std::max(most, merging ? entry[3] - entry[2] : 0);
      auto &place = entry[4] < 0 ? results[entry[0]] : made[entry[4]];
      EXPECT_TRUE(place.empty()) << "two blocks write to one place";
      place = columns;
      EXPECT_LE((entry[4] + 1) * rule.stateBytes * batches, plan.scratchBytes);
    }
    states.insert(made.begin(), made.end());
  }
  EXPECT_LE(most, 32);
  EXPECT_EQ(static_cast<int64_t>(results.size()), (rows + rule.rowsPerBlock - 1) / rule.rowsPerBlock);
  for (const auto &[row, found] : results) {
    int64_t next = 0;
    for (size_t n = 0; n < found.size(); n += 2) {
      EXPECT_EQ(found[n], next);
      next = found[n + 1];
    }
    EXPECT_EQ(next, columns);
  }
  return merges;
}

TEST(GpuLaunch, SplitsColumnsWhereRowsDoNotFillTheMachine) {
  LaunchRule rule = makeReduction();
  for (auto [rows, columns, batches] : {std::tuple<int64_t, int64_t, int64_t>{10000, 10000, 1},
                                        {1, 1000000, 1},
                                        {300, 5000, 7},
                                        {1, 100, 1},
                                        {1, 0, 1},
                                        {1000000, 1000, 1}}) {
    SCOPED_TRACE(std::to_string(rows) + " x " + std::to_string(columns));
    TestCall test(rows, columns, batches);
    GpuPlan plan = planGpuLaunch(rule, test.call, factsOf(132));
    int64_t merges = checkMerges(plan, rule, rows, columns, batches);
    int64_t blocks = plan.launches[0].grid[0] * batches, least = (rows + 127) / 128 * batches;
    if (columns <= 100 || rows == 1000000) {
      EXPECT_EQ(merges, 0);
      EXPECT_EQ(blocks, least);
      EXPECT_EQ(plan.scratchBytes, 0);
      continue;
    }
    EXPECT_GE(merges, 1);
    // Work for all, and nearly the same for each.
    EXPECT_GE(blocks, 4 * 132 * 9 / 10);
    EXPECT_LE(blocks, 32 * 132);
    EXPECT_LE(plan.scratchBytes, int64_t(256) << 20);
  }
}

// One block too many would make a round of its own.
TEST(GpuLaunch, SharesBlocksEvenlyAmongMultiprocessors) {
  LaunchRule rule = makeReduction();
  for (int64_t blocks : {1, 10, 79, 100, 133, 250, 529, 1000}) {
    int64_t part = columnsOfPart(rule, blocks, 100000, factsOf(132)), parts = (100000 + part - 1) / part;
    double even = static_cast<double>(blocks) * 100000 / 132,
           busiest = static_cast<double>((blocks * parts + 131) / 132) * part;
    EXPECT_LE(busiest, 1.1 * even) << blocks << " blocks in " << parts << " parts";
  }
}

TEST(GpuLaunch, SplitsNothingThatHasNoStateOrNoDevice) {
  TestCall test(100, 100000, 1);
  LaunchRule rule = makeReduction();
  EXPECT_EQ(planGpuLaunch(rule, test.call).launches.size(), 1u);
  rule.stateBytes = 0;
  EXPECT_EQ(planGpuLaunch(rule, test.call, factsOf(132)).launches.size(), 1u);
  // A state that is as large as what states may take.
  rule.stateBytes = int64_t(1) << 28;
  EXPECT_EQ(planGpuLaunch(rule, test.call, factsOf(132)).launches.size(), 1u);
}

TEST(GpuLaunch, MergesManyStatesInRounds) {
  LaunchRule rule = makeReduction();
  TestCall test(200, 3000, 2);
  GpuFacts facts;
  facts.columnsOfPart = 1;
  // Two blocks of 3000 states, of 94, of 3, and the results.
  EXPECT_EQ(checkMerges(planGpuLaunch(rule, test.call, facts), rule, 200, 3000, 2), 3);
}

/// Columns seen in windows: each state holds what the rows of a block have seen, and the last window gives results.
TEST(GpuLaunch, WindowsLeaveOneStateForEachBlock) {
  LaunchRule rule = makeReduction();
  for (int64_t part : {0, 7}) {
    TestCall test(300, 100, 1);
    GpuFacts facts;
    facts.columnsOfPart = part;
    std::map<int64_t, std::set<int64_t>> states, results; // columns
    for (ColumnWindow window : {ColumnWindow{0, 40}, {40, 80}, {80, 100}}) {
      GpuPlan plan = planGpuLaunch(rule, test.call, facts, &window);
      for (const GpuLaunch &launch : plan.launches) {
        const GpuParameter &table = launch.parameters[5];
        const int64_t *entry = plan.tables[table.number].data() + table.value / 8;
        for (int64_t n = 0; n < launch.grid[0]; ++n, entry += 5) {
          std::set<int64_t> seen;
          for (int64_t from = entry[2]; from < entry[3]; ++from) {
            if (launch.entry == "kernel")
              for (int64_t column = plan.tables[1][2 * from]; column < plan.tables[1][2 * from + 1]; ++column)
                EXPECT_TRUE(seen.insert(column).second);
            else
              for (int64_t column : states.at(from))
                EXPECT_TRUE(seen.insert(column).second);
          }
          EXPECT_TRUE(entry[4] >= 0 || window.end == 100);
          (entry[4] < 0 ? results[entry[0]] : states[entry[4]]) = seen;
        }
      }
    }
    ASSERT_EQ(results.size(), 3u);
    for (const auto &[row, seen] : results)
      EXPECT_EQ(seen.size(), 100u) << "row " << row;
  }
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
