//===- LaunchPlan.h - How a launch is cut into tasks -----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel works on one block of rows and a list of column intervals. So a
// launch is a list of segments, each some rows that share their columns: one
// for a dense launch, one for each cluster and each gap between clusters for a
// block-sparse one, and all of them again for each batch.
//
// The plan depends on the sizes, the ranges and the rule alone, so a result
// is the same bit for bit whatever the number of threads.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_LAUNCHPLAN_H
#define KEOPS_RUNTIME_LAUNCHPLAN_H

#include "keops/Runtime/Artifact.h"
#include "keops/Runtime/Ranges.h"

#include <vector>

namespace keops::runtime {

/// Intervals of columns, at `LaunchPlan::pairs(list)`.
struct IntervalList {
  int64_t first = 0;
  int64_t count = 0;
};

/// Rows that are reduced over the same columns. Block b has rows
/// [rowBegin + b·rowsPerBlock, rowBegin + (b+1)·rowsPerBlock), cut at rowEnd.
/// Split s has the columns of list `firstList + s`. Each pair (b, s) is a task.
/// There is always a split, with an empty list if there are no columns.
struct Segment {
  int64_t rowBegin = 0;
  int64_t rowEnd = 0;
  int64_t rowsPerBlock = 0;
  int64_t blocks = 0;
  int64_t splits = 1;
  int64_t firstList = 0;
  // Numbers within a batch, over all segments.
  int64_t firstTask = 0;
  int64_t firstBlock = 0;
  int64_t firstState = 0; ///< of the states that splits leave behind
};

/// A block of rows and its intervals, numbered in `LaunchPlan::allPairs`; of a
/// merge, the states that it adds up instead. GPU kernels read tables of these:
/// change both together.
struct PlannedBlock {
  int64_t rowBegin = 0;
  int64_t rowEnd = 0;
  int64_t firstInterval = 0;
  int64_t endInterval = 0;
  int64_t state = -1; ///< the number of the state that it leaves; negative: it leaves results
};

/// The tasks of one batch, and how many threads they are worth.
class LaunchPlan {
public:
  LaunchPlan() = default;
  LaunchPlan(const LaunchRule &rule, int64_t rows, int64_t columns, int64_t batches = 1,
             const Ranges *ranges = nullptr) {
    make(rule, rows, columns, batches, ranges);
  }

  /// Plans anew, in the memory of the last plan.
  void make(const LaunchRule &rule, int64_t rows, int64_t columns, int64_t batches, const Ranges *ranges);
  /// Leaves columns [begin, end) only.
  void clipColumns(int64_t begin, int64_t end);
  /// Splits the columns of all segments into parts of at most so many.
  void splitColumns(int64_t columnsPerSplit);
  /// Gives back what a large plan took.
  void release();

  const int64_t *pairs(const IntervalList &list) const { return intervals.data() + 2 * list.first; }
  const std::vector<int64_t> &allPairs() const { return intervals; }
  /// All tasks: the splits of a block one after the other. Those of a segment that is split leave states, which are
  /// numbered from `firstNumber` on.
  std::vector<PlannedBlock> taskTable(int64_t firstNumber = 0) const;
  /// The segment of a task, or block, of a batch.
  const Segment &segmentOfTask(int64_t task) const;
  const Segment &segmentOfBlock(int64_t block) const;

  std::vector<Segment> segments; ///< in order of rows; none is empty
  std::vector<IntervalList> lists;
  int64_t tasks = 0;
  int64_t blocks = 0;
  int64_t states = 0;
  /// More threads than this would find too little work in all batches.
  int64_t usefulThreads = 1;

private:
  void addSegment(int64_t rowBegin, int64_t rowEnd);
  void addIntervals(const int64_t *columns, int64_t count);
  int64_t columnsOf(const IntervalList &list) const;
  void cut(Segment &segment, const LaunchRule &rule, int64_t wanted);
  void split(Segment &segment, int64_t columnsPerSplit);
  void number(Segment &segment);

  std::vector<int64_t> intervals;
  std::vector<int64_t> order; ///< of clusters, while a plan is made
};

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_LAUNCHPLAN_H
