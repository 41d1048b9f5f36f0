//===- LaunchPlan.cpp - How a launch is cut into tasks ---------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// First rows are cut, because blocks of rows are independent: as large as the
// kernel takes them, smaller when there would be too few to share. If rows and
// batches alone make too few tasks, columns are cut too; then each task leaves
// a state behind, and a second round merges the states of each block in order.
// A segment gets tasks in proportion to its pairs.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/LaunchPlan.h"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace keops::runtime;

/// Work is counted in pairs of a light formula, at some 10⁹ a second. A task of
/// this much takes long enough, some 0.1 ms, to be worth a thread …
static constexpr double worthATask = 1 << 18;
/// … but more than `enoughTasks` are made only of tasks of this much work, for
/// machines with many cores, and never more than `mostTasks`.
static constexpr double worthManyTasks = 1 << 22;
static constexpr double enoughTasks = 16;
static constexpr double mostTasks = 256;
/// What a segment costs beside its pairs.
static constexpr double segmentWork = 1 << 9;
/// Components of arguments that a light formula reads for a pair.
static constexpr int64_t lightComponents = 8;
/// Numbers that a plan may keep between launches.
static constexpr size_t keptNumbers = 1 << 16;

static int64_t divideUp(int64_t value, int64_t by) { return value / by + (value % by != 0); }

//===----------------------------------------------------------------------===//
// Segments and their columns
//===----------------------------------------------------------------------===//

int64_t LaunchPlan::columnsOf(const IntervalList &list) const {
  int64_t columns = 0;
  for (int64_t n = 0; n < list.count; ++n)
    columns += pairs(list)[2 * n + 1] - pairs(list)[2 * n];
  return columns;
}

void LaunchPlan::addSegment(int64_t rowBegin, int64_t rowEnd) {
  Segment segment;
  segment.rowBegin = rowBegin;
  segment.rowEnd = rowEnd;
  segment.firstList = static_cast<int64_t>(lists.size());
  segments.push_back(segment);
  lists.push_back({static_cast<int64_t>(intervals.size() / 2), 0});
}

/// Columns of the last segment, in increasing order, so that of equal terms the
/// first one comes first; neighbours become one interval, which fills tiles.
void LaunchPlan::addIntervals(const int64_t *columns, int64_t count) {
  IntervalList &list = lists.back();
  size_t first = intervals.size();
  bool sorted = true;
  for (int64_t n = 0; n < count; ++n) {
    int64_t begin = columns[2 * n], end = columns[2 * n + 1];
    if (begin >= end)
      continue;
    if (intervals.size() > first && intervals.back() == begin) {
      intervals.back() = end;
      continue;
    }
    sorted &= intervals.size() == first || intervals.back() < begin;
    intervals.insert(intervals.end(), {begin, end});
  }
  if (!sorted) {
    struct Interval {
      int64_t begin, end;
      bool operator<(const Interval &other) const { return begin < other.begin; }
    };
    std::vector<Interval> inOrder;
    for (size_t n = first; n < intervals.size(); n += 2)
      inOrder.push_back({intervals[n], intervals[n + 1]});
    std::stable_sort(inOrder.begin(), inOrder.end());
    intervals.resize(first);
    for (const Interval &interval : inOrder) {
      if (intervals.size() > first && intervals.back() == interval.begin)
        intervals.back() = interval.end;
      else
        intervals.insert(intervals.end(), {interval.begin, interval.end});
    }
  }
  list.count = static_cast<int64_t>(intervals.size() - first) / 2;
}

/// Replaces the list of `segment` by `segment.splits` lists of `columnsPerSplit` columns.
void LaunchPlan::split(Segment &segment, int64_t columnsPerSplit) {
  IntervalList whole = lists[segment.firstList];
  segment.firstList = static_cast<int64_t>(lists.size());
  int64_t room = 0;
  for (int64_t n = 0; n < whole.count; ++n) {
    int64_t begin = pairs(whole)[2 * n], end = pairs(whole)[2 * n + 1];
    while (begin < end) {
      if (room == 0) {
        lists.push_back({static_cast<int64_t>(intervals.size() / 2), 0});
        room = columnsPerSplit;
      }
      int64_t taken = std::min(room, end - begin);
      intervals.insert(intervals.end(), {begin, begin + taken});
      ++lists.back().count;
      begin += taken;
      room -= taken;
    }
  }
}

//===----------------------------------------------------------------------===//
// Tasks
//===----------------------------------------------------------------------===//

void LaunchPlan::cut(Segment &segment, const LaunchRule &rule, int64_t wanted) {
  int64_t rows = segment.rowEnd - segment.rowBegin, columns = columnsOf(lists[segment.firstList]);
  // Rows: blocks of equal size, as few as the kernel allows and at least as many as wanted.
  int64_t granularity = std::max<int64_t>(1, std::min(rule.rowGranularity, rule.rowsPerBlock));
  int64_t largestBlock = std::max(granularity, rule.rowsPerBlock / granularity * granularity);
  int64_t fewest = std::max(divideUp(rows, largestBlock), std::min(wanted, divideUp(rows, granularity)));
  segment.rowsPerBlock = divideUp(divideUp(rows, fewest), granularity) * granularity;
  segment.blocks = divideUp(rows, segment.rowsPerBlock);
  // Columns: split if rows fall short, by whole tiles.
  if (segment.blocks >= wanted || rule.columnsPerTile <= 0 || columns == 0)
    return;
  int64_t tiles = divideUp(columns, rule.columnsPerTile);
  int64_t splits = std::min(divideUp(wanted, segment.blocks), tiles);
  int64_t columnsPerSplit = divideUp(tiles, splits) * rule.columnsPerTile;
  segment.splits = divideUp(columns, columnsPerSplit);
  if (segment.splits > 1)
    split(segment, columnsPerSplit);
}

/// Gives a segment the next numbers of tasks, blocks and states.
void LaunchPlan::number(Segment &segment) {
  segment.firstTask = tasks;
  segment.firstBlock = blocks;
  segment.firstState = states;
  tasks += segment.blocks * segment.splits;
  blocks += segment.blocks;
  states += segment.splits > 1 ? segment.blocks * segment.splits : 0;
}

void LaunchPlan::clipColumns(int64_t begin, int64_t end) {
  for (int64_t &column : intervals)
    column = std::clamp(column, begin, end);
}

void LaunchPlan::splitColumns(int64_t columnsPerSplit) {
  tasks = blocks = states = 0;
  for (Segment &segment : segments) {
    int64_t splits = divideUp(columnsOf(lists[segment.firstList]), columnsPerSplit);
    if (segment.splits == 1 && splits > 1) {
      segment.splits = splits;
      split(segment, columnsPerSplit);
    }
    number(segment);
  }
}

void LaunchPlan::make(const LaunchRule &rule, int64_t rows, int64_t columns, int64_t batches, const Ranges *ranges) {
  segments.clear();
  lists.clear();
  intervals.clear();
  tasks = blocks = states = 0;
  usefulThreads = 1;
  if (rows <= 0 || batches <= 0)
    return;

  if (!ranges) {
    const int64_t all[] = {0, columns};
    addSegment(0, rows);
    addIntervals(all, 1);
  } else {
    order.resize(ranges->clusters);
    std::iota(order.begin(), order.end(), 0);
    auto firstRow = [&](int64_t a, int64_t b) { return ranges->rows[2 * a] < ranges->rows[2 * b]; };
    if (!std::is_sorted(order.begin(), order.end(), firstRow))
      std::sort(order.begin(), order.end(), firstRow);
    int64_t done = 0;
    for (int64_t cluster : order) {
      int64_t begin = ranges->rows[2 * cluster], end = ranges->rows[2 * cluster + 1];
      if (begin >= end)
        continue;
      if (done < begin)
        addSegment(done, begin);
      addSegment(begin, end);
      int64_t slice = cluster == 0 ? 0 : ranges->slices[cluster - 1];
      addIntervals(ranges->columns + 2 * slice, ranges->slices[cluster] - slice);
      done = end;
    }
    if (done < rows)
      addSegment(done, rows);
  }

  int64_t components = 0;
  for (const ArgumentInfo &argument : rule.arguments)
    components += argument.dim;
  // In floating point: the product of two sizes may not fit an integer.
  auto weight = static_cast<double>(std::max<int64_t>(1, components / lightComponents));
  auto workOf = [&](const Segment &segment) {
    return segmentWork + weight * static_cast<double>(segment.rowEnd - segment.rowBegin) *
                             static_cast<double>(columnsOf(lists[segment.firstList]));
  };
  double batchWork = 0;
  for (const Segment &segment : segments)
    batchWork += workOf(segment);
  double work = batchWork * static_cast<double>(batches);
  double manyTasks = std::max(enoughTasks, std::min(mostTasks, work / worthManyTasks));
  double wanted = std::floor(std::max(1.0, std::min(manyTasks, work / worthATask)));
  for (Segment &segment : segments) {
    // Of a share that is a whole number but for rounding, no task more.
    double share = std::ceil(wanted * workOf(segment) / work - 1e-6);
    cut(segment, rule, static_cast<int64_t>(std::max(1.0, share)));
    number(segment);
  }
  usefulThreads = static_cast<int64_t>(std::max(1.0, std::min(work / worthATask, 1e6)));
}

void LaunchPlan::release() {
  if (intervals.capacity() + lists.capacity() + segments.capacity() > keptNumbers)
    *this = LaunchPlan();
}

std::vector<PlannedBlock> LaunchPlan::taskTable(int64_t firstNumber) const {
  std::vector<PlannedBlock> table;
  for (const Segment &segment : segments) {
    int64_t state = segment.splits > 1 ? firstNumber + segment.firstState : -1;
    for (int64_t begin = segment.rowBegin; begin < segment.rowEnd; begin += segment.rowsPerBlock)
      for (int64_t n = 0; n < segment.splits; ++n) {
        const IntervalList &list = lists[segment.firstList + n];
        int64_t end = std::min(begin + segment.rowsPerBlock, segment.rowEnd);
        table.push_back({begin, end, list.first, list.first + list.count, state < 0 ? state : state++});
      }
  }
  return table;
}

const Segment &LaunchPlan::segmentOfTask(int64_t task) const {
  return *std::prev(std::upper_bound(segments.begin(), segments.end(), task,
                                     [](int64_t task, const Segment &segment) { return task < segment.firstTask; }));
}

const Segment &LaunchPlan::segmentOfBlock(int64_t block) const {
  return *std::prev(std::upper_bound(segments.begin(), segments.end(), block,
                                     [](int64_t block, const Segment &segment) { return block < segment.firstBlock; }));
}
