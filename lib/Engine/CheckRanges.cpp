//===- CheckRanges.cpp - Whether ranges name pairs that exist -----*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Kernels read what ranges say without a test, and threads write the rows of
// different clusters at once. So each interval is checked against the sizes of
// the call, and clusters against each other. Messages use the names that ranges
// have where users write them: ranges_i, slices_i, redranges_j for a result
// with a row for each i, and those with i and j exchanged for the other.
//
//===----------------------------------------------------------------------===//

#include "KernelImpl.h"

#include <algorithm>

using namespace keops;

static std::string intervalText(const int64_t *interval) {
  return "[" + std::to_string(interval[0]) + ", " + std::to_string(interval[1]) + ")";
}

static void checkIntervals(const std::string &name, const int64_t *intervals, int64_t count, int64_t size) {
  for (int64_t n = 0; n < count; ++n) {
    const int64_t *interval = intervals + 2 * n;
    if (interval[0] < 0 || interval[1] < interval[0] || size < interval[1])
      throw Error(name + "[" + std::to_string(n) + "]: expected [begin, end) with 0 ≤ begin ≤ end ≤ " +
                  std::to_string(size) + ", the number of rows, got " + intervalText(interval));
  }
}

/// Rows are written by one task each: clusters may not share any.
static void checkDisjoint(const std::string &name, const int64_t *intervals, int64_t count) {
  bool inOrder = true;
  int64_t end = 0;
  for (int64_t n = 0; n < count && inOrder; ++n) {
    if (intervals[2 * n] == intervals[2 * n + 1])
      continue;
    inOrder = end <= intervals[2 * n];
    end = intervals[2 * n + 1];
  }
  if (inOrder)
    return;
  std::vector<int64_t> order;
  for (int64_t n = 0; n < count; ++n)
    if (intervals[2 * n] < intervals[2 * n + 1])
      order.push_back(n);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return intervals[2 * a] < intervals[2 * b]; });
  for (size_t n = 1; n < order.size(); ++n) {
    int64_t a = std::min(order[n - 1], order[n]), b = std::max(order[n - 1], order[n]);
    if (intervals[2 * order[n]] < intervals[2 * order[n - 1] + 1])
      throw Error(name + ": expected clusters that share no row, got " + intervalText(intervals + 2 * a) + " at " +
                  std::to_string(a) + " and " + intervalText(intervals + 2 * b) + " at " + std::to_string(b));
  }
}

void Kernel::Impl::checkRanges(const Ranges &ranges, const CallShape &shape) const {
  std::string kept = keepsI() ? "i" : "j", reduced = keepsI() ? "j" : "i";
  std::string rows = "ranges_" + kept, slices = "slices_" + kept, columns = "redranges_" + reduced;
  if (ranges.clusters < 0 || (ranges.clusters > 0 && (!ranges.rows || !ranges.slices)))
    throw Error(rows + " and " + slices + ": expected a number of clusters and their addresses, got " +
                std::to_string(ranges.clusters) + " and a null pointer or a negative number");
  if (ranges.intervals < 0 || (ranges.intervals > 0 && !ranges.columns))
    throw Error(columns + ": expected a number of intervals and their address, got " +
                std::to_string(ranges.intervals) + " and a null pointer or a negative number");
  int64_t last = 0;
  for (int64_t k = 0; k < ranges.clusters; ++k) {
    int64_t slice = ranges.slices[k];
    if (slice < last || slice > ranges.intervals)
      throw Error(slices + "[" + std::to_string(k) + "]: expected the number of intervals of this cluster and all " +
                  "before it, from " + std::to_string(last) + " to " + std::to_string(ranges.intervals) +
                  ", the length of " + columns + ", got " + std::to_string(slice));
    last = slice;
  }
  checkIntervals(rows, ranges.rows, ranges.clusters, shape.rows);
  checkIntervals(columns, ranges.columns, ranges.intervals, shape.columns);
  checkDisjoint(rows, ranges.rows, ranges.clusters);
}
