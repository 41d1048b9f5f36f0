//===- GpuLaunch.cpp - How a kernel is launched on a GPU -------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The parameters are those that lib/Lowering/MapTilesToGPU.cpp gives its
// functions: for each argument an address and two strides, an address for each
// result, the rows of one batch, and three tables: blocks of rows with their
// intervals, pairs [begin, end) of columns, and for each batch and argument the
// elements to the batch's first one; then the memory for states, and how many
// bytes of it a batch has. Change both together.
//
// Block (x, y) has entry x of the first table and batch y. A grid that would be
// too large is cut along both axes: further launches begin later in the tables,
// and with batches in the results and states.
//
// Blocks of rows that would leave multiprocessors idle are split by columns. Each
// part leaves a state, and launches of the merging function follow, which add the
// states of a block up: a few at a time, since a thread does so one by one, in
// rounds until one is left. Block-sparse launches are not split.
//
// Where columns come in windows, each leaves one state for each block.
//
// What scatters rows is launched otherwise: see GpuScatter.cpp.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/GpuLaunch.h"

#include "GpuScatter.h"
#include "keops/Runtime/LaunchPlan.h"

#include <algorithm>

using namespace keops::runtime;

namespace {
/// Places of the tables in a plan.
enum Table : int64_t { Blocks, Intervals, Offsets, Merges };
constexpr int64_t wordsPerBlock = sizeof(PlannedBlock) / sizeof(int64_t);
constexpr auto wordBytes = static_cast<int64_t>(sizeof(int64_t));

/// Threads that keep a multiprocessor busy.
constexpr int64_t busyThreads = 512;
/// What a block costs beside its columns, and what merges cost, in columns.
constexpr int64_t columnsOfBlock = 64, columnsOfMerge = 512;
/// Parts have a multiple of so many columns: whole turns of the loop over columns.
constexpr int64_t columnsOfTurn = 16;
/// What part of a device's memory states may take where columns are split.
constexpr int64_t shareOfStates = 32;
/// States that one thread adds up, at most.
constexpr int64_t statesOfMerge = 32;
/// Blocks beyond so many for each multiprocessor are not split: the last ones to end leave little idle.
constexpr int64_t manyBlocks = 32;
/// Fewer parts are chosen if they cost so much more than the best number.
constexpr double worthFewer = 1.05;

/// Blocks of one launch, or of several if the grid is limited.
struct Round {
  std::string entry;
  Table table;
  int64_t first, count; ///< entries of the table
  int64_t sharedBytes;
};
} // namespace

static int64_t divideUp(int64_t value, int64_t by) { return value / by + (value % by != 0); }

GpuFacts keops::runtime::gpuFactsOf(int64_t multiprocessors, int64_t deviceBytes) {
  GpuFacts facts;
  facts.multiprocessors = multiprocessors;
  facts.stateBytes = std::min(facts.stateBytes, deviceBytes / shareOfStates);
  return facts;
}

int64_t keops::runtime::batchesOf(const CpuCall &call) {
  int64_t batches = 1;
  for (int64_t axis = 0; axis < call.batchAxes; ++axis)
    batches *= call.batchSizes[axis];
  return batches;
}

std::vector<int64_t> keops::runtime::batchOffsets(const CpuCall &call, size_t arguments, int64_t batches) {
  std::vector<int64_t> offsets(batches * arguments, 0);
  for (int64_t batch = 0; batch < batches; ++batch) {
    int64_t left = batch;
    for (int64_t axis = call.batchAxes - 1; axis >= 0; --axis) {
      int64_t place = left % call.batchSizes[axis];
      left /= call.batchSizes[axis];
      for (size_t n = 0; n < arguments; ++n)
        offsets[batch * arguments + n] += place * call.batchStrides[n * call.batchAxes + axis];
    }
  }
  return offsets;
}

/// Rows get the numbers that they have in the whole call.
static void append(const std::vector<PlannedBlock> &blocks, int64_t firstRow, std::vector<int64_t> &words) {
  for (const PlannedBlock &block : blocks)
    words.insert(words.end(), {firstRow + block.rowBegin, firstRow + block.rowEnd, block.firstInterval,
                               block.endInterval, block.state});
}

//===----------------------------------------------------------------------===//
// Parts of columns
//===----------------------------------------------------------------------===//

int64_t keops::runtime::columnsOfPart(const LaunchRule &rule, int64_t blocks, int64_t columns, const GpuFacts &facts) {
  int64_t multiprocessors = facts.multiprocessors;
  if (rule.stateBytes == 0 || columns == 0 || multiprocessors <= 0 || blocks <= 0 ||
      blocks >= manyBlocks * multiprocessors)
    return columns;
  auto inTurns = [&](int64_t parts) { return divideUp(divideUp(columns, parts), columnsOfTurn) * columnsOfTurn; };
  int64_t needed = divideUp(busyThreads, std::max<int64_t>(rule.threads, 1));
  // What the busiest multiprocessor does, in columns of a block; one with few blocks takes as long as with some.
  auto cost = [&](int64_t parts) {
    int64_t busiest = std::max(divideUp(blocks * parts, multiprocessors), needed);
    return static_cast<double>(busiest) * static_cast<double>(std::min(inTurns(parts), columns) + columnsOfBlock) +
           (parts > 1 ? columnsOfMerge : 0);
  };
  int64_t most = std::min({divideUp(columns, columnsOfTurn), manyBlocks * multiprocessors / blocks,
                           facts.stateBytes / rule.stateBytes / blocks});
  double best = cost(1);
  for (int64_t parts = 2; parts <= most; ++parts)
    best = std::min(best, cost(parts));
  int64_t parts = 1;
  while (cost(parts) > worthFewer * best)
    ++parts;
  return parts == 1 ? columns : inTurns(parts);
}

namespace {
/// Merges the states of blocks until each has one, round after round.
class MergePlanner {
public:
  /// `states` are numbered already.
  MergePlanner(const ColumnWindow *window, int64_t columns, int64_t states)
      : window(window), columns(columns), states(states) {}

  /// Says where tasks leave what they have found, and plans what follows.
  void plan(std::vector<PlannedBlock> &tasks);

  std::vector<std::vector<PlannedBlock>> rounds;
  int64_t numStates() const { return states; }

private:
  struct Left {
    PlannedBlock maker;
    int64_t block = 0;
  };
  bool isFirst() const { return window->begin == 0; }
  bool isLast() const { return window->end == columns; }
  /// Where all that is found for a block goes. Of windows, what is known before is state 2·block, and what the window
  /// at hand adds the next one.
  int64_t target(int64_t block) const { return !window ? -1 : isFirst() ? 2 * block : 2 * block + 1; }

  const ColumnWindow *window;
  int64_t columns, states;
};
} // namespace

void MergePlanner::plan(std::vector<PlannedBlock> &tasks) {
  std::vector<Left> left; // in the order of rows and columns
  std::vector<PlannedBlock> blocks;
  for (PlannedBlock &task : tasks) {
    if (blocks.empty() || blocks.back().rowBegin != task.rowBegin)
      blocks.push_back(task);
    auto block = static_cast<int64_t>(blocks.size()) - 1;
    if (task.state < 0)
      task.state = target(block);
    else
      left.push_back({task, block});
  }
  while (!left.empty()) {
    std::vector<PlannedBlock> round;
    std::vector<Left> next;
    for (size_t n = 0; n < left.size();) {
      size_t end = n;
      while (end < left.size() && left[end].block == left[n].block)
        ++end;
      bool isWhole = end - n <= statesOfMerge;
      for (; n < end; n = std::min<size_t>(n + statesOfMerge, end)) {
        const auto &[maker, block] = left[n];
        int64_t count = std::min<int64_t>(statesOfMerge, static_cast<int64_t>(end - n));
        int64_t into = isWhole ? target(block) : states++;
        round.push_back({maker.rowBegin, maker.rowEnd, maker.state, maker.state + count, into});
        if (!isWhole)
          next.push_back({round.back(), block});
      }
    }
    rounds.push_back(std::move(round));
    left = std::move(next);
  }
  if (!window || isFirst())
    return;
  std::vector<PlannedBlock> round;
  for (size_t n = 0; n < blocks.size(); ++n) {
    auto known = static_cast<int64_t>(2 * n);
    round.push_back({blocks[n].rowBegin, blocks[n].rowEnd, known, known + 2, isLast() ? -1 : known});
  }
  rounds.push_back(std::move(round));
}

//===----------------------------------------------------------------------===//
// The plan
//===----------------------------------------------------------------------===//

GpuPlan keops::runtime::planGpuLaunch(const LaunchRule &rule, const CpuCall &call, const GpuFacts &facts,
                                      const ColumnWindow *window) {
  GpuPlan plan;
  int64_t batches = batchesOf(call);
  if (call.rows == 0 || batches == 0)
    return plan;
  if (rule.scatterGroups > 0)
    return planGpuScatter(rule, call, facts);
  // How a GPU's kernel is split is not what threads of a CPU need: of the rule, blocks of rows are all that counts.
  LaunchRule blocksOnly;
  blocksOnly.rowsPerBlock = blocksOnly.rowGranularity = rule.rowsPerBlock;
  LaunchPlan cut(blocksOnly, call.rows, call.columns, batches, call.ranges);
  if (window && window->begin == 0 && window->end == call.columns)
    window = nullptr;
  if (window)
    cut.clipColumns(window->begin, window->end);
  int64_t columns = window ? window->end - window->begin : call.columns;
  if (facts.columnsOfPart > 0 && rule.stateBytes > 0)
    cut.splitColumns(facts.columnsOfPart);
  else if (!call.ranges && columns > 0)
    cut.splitColumns(columnsOfPart(rule, cut.blocks * batches, columns, facts));
  int64_t kept = window ? 2 * cut.blocks : 0;
  std::vector<PlannedBlock> tasks = cut.taskTable(kept);
  MergePlanner merges(window, call.columns, kept + cut.states);
  merges.plan(tasks);
  int64_t bytesOfBatch = merges.numStates() * rule.stateBytes;
  plan.scratchBytes = batches * bytesOfBatch;
  plan.tables = {{}, cut.allPairs(), batchOffsets(call, rule.arguments.size(), batches), {}};
  append(tasks, call.firstRow, plan.tables[Blocks]);
  std::vector<Round> rounds = {{rule.entry, Blocks, 0, static_cast<int64_t>(tasks.size()), rule.sharedBytes}};
  for (const std::vector<PlannedBlock> &round : merges.rounds) {
    int64_t first = static_cast<int64_t>(plan.tables[Merges].size()) / wordsPerBlock;
    rounds.push_back({rule.entry + "_merge", Merges, first, static_cast<int64_t>(round.size()), 0});
    append(round, call.firstRow, plan.tables[Merges]);
  }

  using Kind = GpuParameter::Kind;
  auto addLaunch = [&](const Round &round, int64_t firstBatch, int64_t firstBlock) {
    GpuLaunch launch;
    launch.entry = round.entry;
    launch.grid = {std::min(facts.gridX, round.count - firstBlock), std::min(facts.gridY, batches - firstBatch)};
    launch.threads = rule.threads;
    launch.sharedBytes = round.sharedBytes;
    auto add = [&](Kind kind, int64_t number, int64_t value) { launch.parameters.push_back({kind, number, value}); };
    auto numArguments = static_cast<int64_t>(rule.arguments.size());
    for (int64_t n = 0; n < numArguments; ++n) {
      add(Kind::Input, n, 0);
      add(Kind::Integer, 0, call.rowStrides[n]);
      add(Kind::Integer, 0, call.componentStrides[n]);
    }
    for (int64_t n = 0; n < static_cast<int64_t>(rule.results.size()); ++n)
      add(Kind::Output, n, firstBatch * call.rows * rule.results[n].dim * sizeOf(rule.results[n].type));
    add(Kind::Integer, 0, call.rows);
    add(Kind::Table, round.table, (round.first + firstBlock) * wordsPerBlock * wordBytes);
    add(Kind::Table, Intervals, 0);
    add(Kind::Table, Offsets, firstBatch * numArguments * wordBytes);
    add(Kind::Scratch, 0, firstBatch * bytesOfBatch);
    add(Kind::Integer, 0, bytesOfBatch);
    plan.launches.push_back(std::move(launch));
  };
  for (const Round &round : rounds)
    for (int64_t firstBatch = 0; firstBatch < batches; firstBatch += facts.gridY)
      for (int64_t firstBlock = 0; firstBlock < round.count; firstBlock += facts.gridX)
        addLaunch(round, firstBatch, firstBlock);
  return plan;
}
