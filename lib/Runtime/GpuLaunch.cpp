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
// elements to the batch's first one. Change both together.
//
// Block (x, y) has entry x of the first table and batch y. A grid that would be
// too large is cut along both axes: further launches begin later in the tables,
// and with batches in the results.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/GpuLaunch.h"

#include "keops/Runtime/LaunchPlan.h"

#include <algorithm>

using namespace keops::runtime;

namespace {
/// Places of the tables in a plan.
enum Table : int64_t { Blocks, Intervals, Offsets };
constexpr int64_t wordsPerBlock = sizeof(PlannedBlock) / sizeof(int64_t);
} // namespace

int64_t keops::runtime::batchesOf(const CpuCall &call) {
  int64_t batches = 1;
  for (int64_t axis = 0; axis < call.batchAxes; ++axis)
    batches *= call.batchSizes[axis];
  return batches;
}

/// For each batch and argument, the elements to the batch's first one.
static std::vector<int64_t> batchOffsets(const CpuCall &call, size_t arguments, int64_t batches) {
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

static std::vector<int64_t> blockWords(const LaunchPlan &plan) {
  std::vector<int64_t> words;
  for (const PlannedBlock &block : plan.blockTable())
    words.insert(words.end(), {block.rowBegin, block.rowEnd, block.firstInterval, block.endInterval});
  return words;
}

GpuPlan keops::runtime::planGpuLaunch(const LaunchRule &rule, const CpuCall &call, const GpuGridLimits &limits) {
  GpuPlan plan;
  int64_t batches = batchesOf(call);
  if (call.rows == 0 || batches == 0)
    return plan;
  // A GPU's kernel has no splits: of the rule, blocks of rows are all that a plan needs.
  LaunchRule blocksOnly;
  blocksOnly.rowsPerBlock = blocksOnly.rowGranularity = rule.rowsPerBlock;
  LaunchPlan cut(blocksOnly, call.rows, call.columns, batches, call.ranges);
  plan.tables = {blockWords(cut), cut.allPairs(), batchOffsets(call, rule.arguments.size(), batches)};
  int64_t blocks = static_cast<int64_t>(plan.tables[Blocks].size()) / wordsPerBlock;

  using Kind = GpuParameter::Kind;
  constexpr auto word = static_cast<int64_t>(sizeof(int64_t));
  for (int64_t firstBatch = 0; firstBatch < batches; firstBatch += limits.y)
    for (int64_t firstBlock = 0; firstBlock < blocks; firstBlock += limits.x) {
      GpuLaunch launch;
      launch.entry = rule.entry;
      launch.grid = {std::min(limits.x, blocks - firstBlock), std::min(limits.y, batches - firstBatch)};
      launch.threads = rule.threads;
      launch.sharedBytes = rule.sharedBytes;
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
      add(Kind::Table, Blocks, firstBlock * wordsPerBlock * word);
      add(Kind::Table, Intervals, 0);
      add(Kind::Table, Offsets, firstBatch * numArguments * word);
      plan.launches.push_back(std::move(launch));
    }
  return plan;
}
