//===- TransposedRanges.cpp - The same pairs, seen from the columns --------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All ends of intervals cut the columns into pieces that no interval ends
// within: these are the clusters. Each takes the rows of all clusters with an
// interval that covers it, in their order.
//
//===----------------------------------------------------------------------===//

#include "TransposedRanges.h"

#include <algorithm>

using namespace keops::runtime;

TransposedRanges::TransposedRanges(const Ranges &ranges) {
  std::vector<int64_t> ends(ranges.columns, ranges.columns + 2 * ranges.intervals);
  std::sort(ends.begin(), ends.end());
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
  int64_t pieces = std::max<int64_t>(0, static_cast<int64_t>(ends.size()) - 1);
  for (int64_t n = 0; n < pieces; ++n)
    clusters.insert(clusters.end(), {ends[n], ends[n + 1]});

  // Calls body(piece, cluster) for each piece of each interval.
  auto forEach = [&](auto &&body) {
    for (int64_t cluster = 0; cluster < ranges.clusters; ++cluster) {
      if (ranges.rows[2 * cluster] >= ranges.rows[2 * cluster + 1])
        continue;
      for (int64_t n = cluster == 0 ? 0 : ranges.slices[cluster - 1]; n < ranges.slices[cluster]; ++n) {
        auto first = std::lower_bound(ends.begin(), ends.end(), ranges.columns[2 * n]) - ends.begin();
        for (int64_t piece = first; piece < pieces && ends[piece] < ranges.columns[2 * n + 1]; ++piece)
          body(piece, cluster);
      }
    }
  };
  slices.assign(pieces, 0);
  forEach([&](int64_t piece, int64_t) { ++slices[piece]; });
  for (int64_t piece = 1; piece < pieces; ++piece)
    slices[piece] += slices[piece - 1];
  std::vector<int64_t> next(pieces, 0);
  for (int64_t piece = 1; piece < pieces; ++piece)
    next[piece] = slices[piece - 1];
  intervals.resize(pieces == 0 ? 0 : 2 * slices.back());
  forEach([&](int64_t piece, int64_t cluster) {
    int64_t place = next[piece]++;
    intervals[2 * place] = ranges.rows[2 * cluster];
    intervals[2 * place + 1] = ranges.rows[2 * cluster + 1];
  });

  transposed.rows = clusters.data();
  transposed.slices = slices.data();
  transposed.clusters = pieces;
  transposed.columns = intervals.data();
  transposed.intervals = static_cast<int64_t>(intervals.size()) / 2;
}
