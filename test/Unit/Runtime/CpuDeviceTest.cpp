//===- CpuDeviceTest.cpp - Launches kernels on the processor ---------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The kernel here is written in C++ and reached through loaded code. It sums
// x_i · y_j over columns and adds a parameter at the end, and notes what it is
// asked, so that tests see each task.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/CpuDevice.h"

#include "keops/Runtime/CpuModule.h"
#include "keops/Runtime/LaunchPlan.h"
#include "keops/Runtime/ThreadPool.h"

#include "ObjectCode.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>

#include <sys/mman.h>

using namespace keops::runtime;
using namespace keops::runtime::test;

namespace {

constexpr int64_t stateBytes = 512, scratchBytes = 192, rowsPerBlock = 64, rowGranularity = 8, columnsPerTile = 96;

struct Note {
  KernelFrame frame;
  std::vector<int64_t> intervals;
};
std::mutex notesLock;
std::vector<Note> accumulateNotes, finalizeNotes;
bool takeNotes = false;

void note(std::vector<Note> &notes, const KernelFrame *frame) {
  if (!takeNotes)
    return;
  std::lock_guard<std::mutex> lock(notesLock);
  notes.push_back({*frame, {frame->intervals, frame->intervals + 2 * frame->numIntervals}});
}

void accumulate(const KernelFrame *frame) {
  note(accumulateNotes, frame);
  // Writes over all it may write over, so that memory which is shared by mistake shows.
  std::memset(frame->scratch, static_cast<int>(frame->rowBegin), scratchBytes);
  std::memset(frame->state, 0xff, stateBytes);
  const double *x = static_cast<const double *>(frame->inputs[0]);
  const double *y = static_cast<const double *>(frame->inputs[1]);
  double *state = static_cast<double *>(frame->state);
  for (int64_t i = frame->rowBegin; i < frame->rowEnd; ++i) {
    double sum = 0;
    for (int64_t k = 0; k < frame->numIntervals; ++k)
      for (int64_t j = frame->intervals[2 * k]; j < frame->intervals[2 * k + 1]; ++j)
        sum += x[i * frame->rowStrides[0]] * y[j * frame->rowStrides[1]];
    state[i - frame->rowBegin] = sum;
  }
}

void finalize(const KernelFrame *frame) {
  note(finalizeNotes, frame);
  std::memset(frame->scratch, static_cast<int>(frame->rowBegin), scratchBytes);
  const double *state = static_cast<const double *>(frame->state);
  double *out = static_cast<double *>(frame->outputs[0]);
  for (int64_t i = frame->rowBegin; i < frame->rowEnd; ++i) {
    double sum = 0;
    for (int64_t k = 0; k < frame->numStates; ++k)
      sum += state[k * stateBytes / 8 + i - frame->rowBegin];
    out[i] = sum + *static_cast<const double *>(frame->inputs[2]);
  }
}

class CpuDeviceTest : public testing::Test {
protected:
  void SetUp() override {
    artifact = artifactCalling(accumulate, finalize);
    artifact.arguments = {{Axis::Row, DType::F64, 1}, {Axis::Column, DType::F64, 1}, {Axis::Parameter, DType::F64, 1}};
    artifact.results = {{DType::F64, 1, {}}};
    artifact.rowsPerBlock = rowsPerBlock;
    artifact.rowGranularity = rowGranularity;
    artifact.columnsPerTile = columnsPerTile;
    artifact.stateBytes = stateBytes;
    artifact.scratchBytes = scratchBytes;
    std::string error;
    module = CpuModule::load(artifact, error);
    ASSERT_TRUE(module) << error;
    takeNotes = false;
    accumulateNotes.clear();
    finalizeNotes.clear();
  }

  /// The launch's output with a guard element at each end.
  std::vector<double> compute(int64_t rows, int64_t columns, int threads) {
    std::mt19937_64 random(rows * 1000003 + columns);
    std::uniform_real_distribution<double> uniform(-1, 1);
    std::vector<double> x(2 * rows + 1), y(3 * columns + 1), parameter = {0.25}, out(rows + 2, -77);
    for (double &value : x)
      value = uniform(random);
    for (double &value : y)
      value = uniform(random);
    const void *inputs[] = {x.data(), y.data(), parameter.data()};
    const int64_t rowStrides[] = {2, 3, 0}, componentStrides[] = {1, 1, 1};
    void *outputs[] = {out.data() + 1};
    launch(artifact, module->kernel(0), {inputs, rowStrides, componentStrides, outputs, rows, columns, threads}, pool);

    EXPECT_EQ(out.front(), -77);
    EXPECT_EQ(out.back(), -77);
    // A few rows suffice for the values; all of them are compared between numbers of threads.
    for (int64_t i = 0; i < rows; i += std::max<int64_t>(1, rows / 50)) {
      double sum = 0;
      for (int64_t j = 0; j < columns; ++j)
        sum += x[2 * i] * y[3 * j];
      EXPECT_NEAR(out[i + 1], sum + 0.25, 1e-12 * (columns + 1)) << rows << "×" << columns << ", row " << i;
    }
    return out;
  }

  Artifact artifact;
  std::unique_ptr<CpuModule> module;
  ThreadPool pool;
};

const std::pair<int64_t, int64_t> sizes[] = {{1, 1},      {1, 0},       {10, 10},     {7, 3},       {64, 96},
                                             {65, 97},    {200, 0},     {1000, 1},    {1, 1000000}, {3, 99991},
                                             {63, 50001}, {1001, 7013}, {130, 40000}, {20000, 21}};

TEST_F(CpuDeviceTest, SameBitsForAnyNumberOfThreads) {
  for (auto [rows, columns] : sizes) {
    std::vector<double> one = compute(rows, columns, 1);
    for (int threads : {2, 7})
      EXPECT_EQ(one, compute(rows, columns, threads)) << rows << "×" << columns << ", " << threads << " threads";
  }
}

TEST_F(CpuDeviceTest, NoRowsDoNothing) {
  takeNotes = true;
  compute(0, 1000, 2);
  compute(0, 0, 1);
  EXPECT_TRUE(accumulateNotes.empty() && finalizeNotes.empty());
}

TEST_F(CpuDeviceTest, NoColumnsAccumulateNoIntervals) {
  takeNotes = true;
  std::vector<double> out = compute(100, 0, 2);
  EXPECT_TRUE(std::all_of(out.begin() + 1, out.end() - 1, [](double value) { return value == 0.25; }));
  ASSERT_EQ(accumulateNotes.size(), 2u);
  EXPECT_TRUE(accumulateNotes[0].intervals.empty() && accumulateNotes[1].intervals.empty());
}

TEST_F(CpuDeviceTest, TasksCoverEachPairOnceAndKeepTheRules) {
  takeNotes = true;
  for (auto [rows, columns] : sizes) {
    accumulateNotes.clear();
    finalizeNotes.clear();
    compute(rows, columns, 3);
    LaunchPlan plan(artifact, rows, columns);
    ASSERT_EQ(plan.segments.size(), 1u);
    ASSERT_EQ(accumulateNotes.size(), static_cast<size_t>(plan.tasks));
    ASSERT_EQ(finalizeNotes.size(), static_cast<size_t>(plan.blocks));

    int64_t pairs = 0;
    std::set<std::pair<int64_t, int64_t>> corners;
    for (const Note &task : accumulateNotes) {
      const KernelFrame &frame = task.frame;
      EXPECT_LT(frame.rowBegin, frame.rowEnd);
      EXPECT_LE(frame.rowEnd - frame.rowBegin, rowsPerBlock);
      EXPECT_EQ(frame.rowBegin % rowGranularity, 0);
      EXPECT_TRUE(frame.rowEnd == rows || frame.rowEnd % rowGranularity == 0);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(frame.state) % 64, 0u);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(frame.scratch) % 64, 0u);
      if (task.intervals.empty())
        continue;
      ASSERT_EQ(task.intervals.size(), 2u);
      EXPECT_LT(task.intervals[0], task.intervals[1]);
      EXPECT_EQ(task.intervals[0] % columnsPerTile, 0);
      EXPECT_TRUE(task.intervals[1] == columns || task.intervals[1] % columnsPerTile == 0);
      EXPECT_TRUE(corners.emplace(frame.rowBegin, task.intervals[0]).second) << "two tasks at one place";
      pairs += (frame.rowEnd - frame.rowBegin) * (task.intervals[1] - task.intervals[0]);
    }
    EXPECT_EQ(pairs, rows * columns);

    int64_t finished = 0;
    for (const Note &task : finalizeNotes) {
      EXPECT_EQ(task.frame.numStates, plan.segments[0].splits);
      finished += task.frame.rowEnd - task.frame.rowBegin;
    }
    EXPECT_EQ(finished, rows);
  }
}

/// The one segment of a dense launch.
Segment cut(const Artifact &artifact, int64_t rows, int64_t columns) {
  return LaunchPlan(artifact, rows, columns).segments.at(0);
}

TEST_F(CpuDeviceTest, SmallLaunchesAreOneTask) {
  for (auto [rows, columns] : {std::pair<int64_t, int64_t>{1, 1}, {10, 10}, {64, 1000}}) {
    LaunchPlan plan(artifact, rows, columns);
    EXPECT_EQ(plan.tasks, 1);
    EXPECT_EQ(plan.usefulThreads, 1);
  }
}

TEST_F(CpuDeviceTest, LargeLaunchesAreManyTasks) {
  artifact.rowsPerBlock = 512;
  // Rows alone suffice: smaller blocks, no splits.
  Segment segment = cut(artifact, 2000, 10000);
  EXPECT_GE(segment.blocks, 16);
  EXPECT_EQ(segment.splits, 1);
  EXPECT_LT(segment.rowsPerBlock, 512);
  // Many rows: largest blocks.
  segment = cut(artifact, 1000000, 1000000);
  EXPECT_EQ(segment.rowsPerBlock, 512);
  EXPECT_EQ(segment.splits, 1);
  // Few rows: splits of columns.
  for (int64_t rows : {1, 5, 30}) {
    segment = cut(artifact, rows, 30000000);
    EXPECT_GE(segment.blocks * segment.splits, 16) << rows << " rows";
    EXPECT_GT(segment.splits, 1);
  }
  // Sizes whose product does not fit 64 bits.
  segment = cut(artifact, int64_t(1) << 40, int64_t(1) << 40);
  EXPECT_EQ(segment.rowsPerBlock, 512);
  EXPECT_EQ(segment.blocks, int64_t(1) << 31);
}

TEST_F(CpuDeviceTest, HeavyFormulasAreCutFiner) {
  LaunchPlan light(artifact, 64, 2000);
  artifact.arguments[0].dim = artifact.arguments[1].dim = 1000;
  LaunchPlan heavy(artifact, 64, 2000);
  EXPECT_EQ(light.tasks, 1);
  EXPECT_GE(heavy.tasks, 16);
}

TEST_F(CpuDeviceTest, OddRulesAreKept) {
  // No splits allowed; a block smaller than the row group; no tasks without rows.
  artifact.columnsPerTile = 0;
  EXPECT_EQ(cut(artifact, 1, 100000000).splits, 1);
  artifact.rowsPerBlock = 5;
  EXPECT_EQ(cut(artifact, 100, 10).rowsPerBlock, 5);
  EXPECT_EQ(cut(artifact, 100, 10).blocks, 20);
  EXPECT_EQ(LaunchPlan(artifact, 0, 10).tasks, 0);
  EXPECT_EQ(LaunchPlan(artifact, 10, 10, 0).tasks, 0);
}

TEST_F(CpuDeviceTest, BatchesShareThreadsBeforeColumnsAreSplit) {
  // One such launch would be split; enough of them are not.
  EXPECT_GT(cut(artifact, 4, 1000000).splits, 1);
  LaunchPlan many(artifact, 4, 1000000, 1000);
  EXPECT_EQ(many.tasks, 1);
  EXPECT_GE(many.usefulThreads, 256);
  LaunchPlan few(artifact, 4, 1000000, 3);
  EXPECT_GE(3 * few.tasks, 16);
  // Batches that are tiny are worth threads if there are many.
  EXPECT_GE(LaunchPlan(artifact, 3, 3, 100000).usefulThreads, 16);
  EXPECT_EQ(LaunchPlan(artifact, 3, 3, 10).usefulThreads, 1);
}

/// Each pair of clusters (rows, columns), as the tasks of a plan see them.
std::map<std::pair<int64_t, int64_t>, int> pairsOf(const LaunchPlan &plan) {
  std::map<std::pair<int64_t, int64_t>, int> pairs;
  for (int64_t task = 0; task < plan.tasks; ++task) {
    const Segment &segment = plan.segmentOfTask(task);
    int64_t block = (task - segment.firstTask) / segment.splits, split = (task - segment.firstTask) % segment.splits;
    const IntervalList &list = plan.lists[segment.firstList + split];
    int64_t begin = segment.rowBegin + block * segment.rowsPerBlock;
    for (int64_t row = begin; row < std::min(begin + segment.rowsPerBlock, segment.rowEnd); ++row)
      for (int64_t n = 0; n < list.count; ++n)
        for (int64_t column = plan.pairs(list)[2 * n]; column < plan.pairs(list)[2 * n + 1]; ++column)
          ++pairs[{row, column}];
  }
  return pairs;
}

TEST_F(CpuDeviceTest, RangesAreCutIntoSegments) {
  // Clusters not in order of rows, one without rows, one without columns; intervals that meet, lie apart, are empty
  // and come backwards.
  const int64_t rows[] = {50, 60, 3, 10, 10, 10, 10, 20, 60, 100}, slices[] = {1, 4, 5, 5, 9},
                columns[] = {5, 200, 10, 20, 20, 30, 40, 41, 0, 200, 7, 7, 150, 160, 100, 120, 160, 170};
  Ranges ranges{rows, slices, 5, columns, 9};
  std::map<std::pair<int64_t, int64_t>, int> expected;
  for (int k = 0; k < 5; ++k)
    for (int64_t row = rows[2 * k]; row < rows[2 * k + 1]; ++row)
      for (int64_t l = k == 0 ? 0 : slices[k - 1]; l < slices[k]; ++l)
        for (int64_t column = columns[2 * l]; column < columns[2 * l + 1]; ++column)
          ++expected[{row, column}];
  // With many components, so that there is work for splits.
  for (int64_t dim : {1, 20000}) {
    artifact.arguments[0].dim = dim;
    LaunchPlan plan(artifact, 110, 200, 1, &ranges);
    EXPECT_EQ(pairsOf(plan), expected);
    int64_t row = 0, splits = 0;
    for (const Segment &segment : plan.segments) {
      EXPECT_EQ(segment.rowBegin, row);
      EXPECT_LT(segment.rowBegin, segment.rowEnd);
      row = segment.rowEnd;
      splits = std::max(splits, segment.splits);
    }
    EXPECT_EQ(row, 110);
    EXPECT_EQ(splits > 1, dim > 1);
  }
  // Neighbouring intervals are one.
  LaunchPlan plan(artifact, 110, 200, 1000000, &ranges);
  const IntervalList &list = plan.lists[plan.segments[1].firstList];
  ASSERT_EQ(list.count, 2);
  EXPECT_EQ(plan.pairs(list)[1], 30);
  // In increasing order.
  const IntervalList &sorted = plan.lists[plan.segments[5].firstList];
  ASSERT_EQ(sorted.count, 2);
  EXPECT_EQ(plan.pairs(sorted)[0], 100);
  EXPECT_EQ(plan.pairs(sorted)[3], 170);
}

TEST_F(CpuDeviceTest, RangesWithoutClustersFinishAllRows) {
  Ranges none;
  LaunchPlan plan(artifact, 1000, 1000, 1, &none);
  ASSERT_EQ(plan.segments.size(), 1u);
  EXPECT_EQ(plan.segments[0].rowEnd, 1000);
  EXPECT_TRUE(pairsOf(plan).empty());
}

TEST_F(CpuDeviceTest, BatchesHaveTheirOwnAddresses) {
  // Three batches of x in reverse along one axis, two of y along the other, one parameter each.
  constexpr int64_t rows = 70, columns = 40000;
  std::vector<double> x(3 * rows), y(2 * columns), parameters = {1, 2, 3, 4, 5, 6}, first;
  for (size_t n = 0; n < x.size(); ++n)
    x[n] = static_cast<double>(n % 13) - 6;
  for (size_t n = 0; n < y.size(); ++n)
    y[n] = static_cast<double>(n % 17) - 8;
  const void *inputs[] = {x.data() + 2 * rows, y.data(), parameters.data()};
  const int64_t rowStrides[] = {1, 1, 0}, componentStrides[] = {1, 1, 1}, sizes[] = {3, 2},
                strides[] = {-rows, 0, 0, columns, 2, 1};
  for (int threads : {1, 2, 7}) {
    std::vector<double> out(6 * rows + 1, -77);
    void *outputs[] = {out.data()};
    CpuCall call{inputs, rowStrides, componentStrides, outputs, rows, columns, threads};
    call.batchAxes = 2;
    call.batchSizes = sizes;
    call.batchStrides = strides;
    launch(artifact, module->kernel(0), call, pool);
    EXPECT_EQ(out.back(), -77);
    for (int64_t a = 0; a < 3; ++a)
      for (int64_t b = 0; b < 2; ++b)
        for (int64_t i = 0; i < rows; i += 23) {
          double sum = parameters[2 * a + b];
          for (int64_t j = 0; j < columns; ++j)
            sum += x[(2 - a) * rows + i] * y[b * columns + j];
          EXPECT_NEAR(out[(2 * a + b) * rows + i], sum, 1e-6) << a << ", " << b << ", row " << i;
        }
    if (first.empty())
      first = out;
    EXPECT_EQ(out, first);
  }
}

TEST_F(CpuDeviceTest, SeveralCallersAtOnce) {
  std::vector<double> expected = compute(130, 40000, 1);
  std::vector<double> results[4];
  std::vector<std::thread> callers;
  for (std::vector<double> &result : results)
    callers.emplace_back([&] { result = compute(130, 40000, 3); });
  for (std::thread &caller : callers)
    caller.join();
  for (const std::vector<double> &result : results)
    EXPECT_EQ(result, expected);
}

bool isMapped(void *address) {
  void *page = reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(address) / 4096 * 4096);
  return msync(page, 1, MS_ASYNC) == 0;
}

TEST_F(CpuDeviceTest, MemoryIsReusedUnlessItIsHuge) {
  takeNotes = true;
  compute(10, 10, 1);
  compute(10, 10, 1);
  EXPECT_EQ(accumulateNotes[0].frame.scratch, accumulateNotes[1].frame.scratch);
  EXPECT_TRUE(isMapped(accumulateNotes[0].frame.scratch));
  artifact.scratchBytes = int64_t(200) << 20;
  compute(10, 10, 1);
#if !defined(__SANITIZE_ADDRESS__) // which keeps what was freed
  void *huge = static_cast<char *>(accumulateNotes[2].frame.scratch) + artifact.scratchBytes / 2;
  EXPECT_FALSE(isMapped(huge));
#endif
}

TEST_F(CpuDeviceTest, NoMemoryIsAnException) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizer ends the process when asked for so much";
#endif
  artifact.scratchBytes = int64_t(1) << 60;
  for (int threads : {1, 3})
    for (int64_t rows : {10, 2000})
      EXPECT_THROW(compute(rows, 10000, threads), std::bad_alloc);
  artifact.scratchBytes = scratchBytes;
  artifact.stateBytes = int64_t(1) << 54;
  EXPECT_THROW(compute(1, 1000000, 2), std::bad_alloc);
  artifact.stateBytes = stateBytes;
  compute(10, 10, 1);
}

} // namespace
