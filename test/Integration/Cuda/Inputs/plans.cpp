//===- plans.cpp - What a header launches, and what the runtime does -------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The plans of gauss.h and those of the runtime, for sizes that leave
// multiprocessors idle and sizes that do not: what blocks read must be the
// same, and so must grids and memory. Intervals may have other numbers.
//
//===----------------------------------------------------------------------===//

#include "gauss.h"

#include "keops/Runtime/GpuLaunch.h"

#include <cstdio>

using namespace keops::runtime;

static int compare(int64_t rows, int64_t columns, int64_t multiprocessors, int64_t batches, int64_t deviceBytes) {
  const int64_t rowStrides[] = {3, 3, 1}, componentStrides[] = {1, 1, 1}, batchStrides[] = {0, columns * 3, columns};
  LaunchRule rule;
  rule.entry = gauss::entry;
  rule.arguments = {{Axis::Row, DType::F32, 3}, {Axis::Column, DType::F32, 3}, {Axis::Column, DType::F32, 1}};
  rule.results = {{DType::F32, 1, {1}, Axis::Row}};
  rule.rowsPerBlock = gauss::rowsPerBlock;
  rule.stateBytes = gauss::stateBytesOfBlock;
  rule.threads = gauss::threads;
  CpuCall call;
  call.rowStrides = rowStrides;
  call.componentStrides = componentStrides;
  call.rows = rows;
  call.columns = columns;
  call.batchAxes = 1;
  call.batchSizes = &batches;
  call.batchStrides = batchStrides;
  GpuPlan expected = planGpuLaunch(rule, call, gpuFactsOf(multiprocessors, deviceBytes));
  gauss::Plan found = gauss::makePlan(rows, columns, multiprocessors, batches, batchStrides, deviceBytes);
  bool same = static_cast<int64_t>(found.scratchBytes()) == expected.scratchBytes &&
              found.rounds.size() == expected.launches.size();
  for (size_t n = 0; same && n < found.rounds.size(); ++n) {
    const GpuLaunch &launch = expected.launches[n];
    const gauss::Plan::Round &round = found.rounds[n];
    same = launch.grid[0] == round.blocks && launch.grid[1] == batches &&
           launch.entry == (round.merges ? gauss::mergeEntry : gauss::entry);
    // After inputs, outputs and rows: the blocks, the intervals, and where batches begin.
    auto words = [&](int place) {
      const GpuParameter &parameter = launch.parameters[3 * gauss::numInputs + gauss::numOutputs + 1 + place];
      return expected.tables[parameter.number].data() + parameter.value / 8;
    };
    for (int64_t block = 0; same && block < round.blocks; ++block) {
      const int64_t *ours = &found.table[round.first + 5 * block], *theirs = words(0) + 5 * block;
      same = ours[0] == theirs[0] && ours[1] == theirs[1] && ours[4] == theirs[4] &&
             ours[3] - ours[2] == theirs[3] - theirs[2];
      for (int64_t word = 0; same && !round.merges && word < 2 * (ours[3] - ours[2]); ++word)
        same = found.table[2 * ours[2] + word] == words(1)[2 * theirs[2] + word];
      same = same && (!round.merges || ours[2] == theirs[2]);
    }
    for (int64_t word = 0; same && word < batches * gauss::numInputs; ++word)
      same = found.table[found.offsets + word] == words(2)[word];
  }
  if (!same)
    std::printf("%lld x %lld, %lld multiprocessors, %lld batches, %lld bytes differ\n", static_cast<long long>(rows),
                static_cast<long long>(columns), static_cast<long long>(multiprocessors),
                static_cast<long long>(batches), static_cast<long long>(deviceBytes));
  return same ? 1 : 0;
}

int main() {
  int same = 0;
  for (int64_t rows : {0, 1, 1000, 10000, 300000})
    for (int64_t columns : {0, 1, 700, 10007, 1000000})
      for (int64_t multiprocessors : {0, 1, 132})
        for (int64_t batches : {1, 3})
          for (int64_t deviceBytes : {int64_t(1) << 20, int64_t(1) << 34})
            same += compare(rows, columns, multiprocessors, batches, deviceBytes);
  std::printf("%d plans are the same\n", same);
}
