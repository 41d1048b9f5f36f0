//===- SimulatedKernel.cpp - A kernel's GPU code on the simulator -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The simulator wants to know all memory that the kernel may touch, so the
// extent of each array follows from its sizes and strides.
//
//===----------------------------------------------------------------------===//

#include "SimulatedKernel.h"

#include "keops/Keops.h"
#include "keops/Runtime/LaunchPlan.h"

#include <algorithm>

using namespace keops;

/// The axes of an array: how many places each has, and elements from one to the next.
using Axes = std::vector<std::pair<int64_t, int64_t>>;

/// The bytes between the lowest and the highest address of an array.
static runtime::SimBuffer extent(const void *data, const Axes &axes, int64_t bytes) {
  int64_t lowest = 0, highest = 0;
  for (auto [size, stride] : axes) {
    if (size == 0)
      return {};
    lowest += std::min<int64_t>((size - 1) * stride, 0);
    highest += std::max<int64_t>((size - 1) * stride, 0);
  }
  auto *base = static_cast<char *>(const_cast<void *>(data));
  return {base + lowest * bytes, (highest - lowest + 1) * bytes, false};
}

/// Adds what is read. Arguments may share memory, which to the simulator is one buffer.
static void addInputs(std::vector<runtime::SimBuffer> buffers, std::vector<runtime::SimBuffer> &all) {
  auto begin = [](const runtime::SimBuffer &buffer) { return static_cast<char *>(buffer.data); };
  llvm::sort(buffers, [&](const auto &a, const auto &b) { return begin(a) < begin(b); });
  for (const runtime::SimBuffer &buffer : buffers) {
    if (buffer.bytes == 0)
      continue;
    if (all.empty() || begin(buffer) >= begin(all.back()) + all.back().bytes) {
      all.push_back(buffer);
      continue;
    }
    all.back().bytes = std::max(all.back().bytes, begin(buffer) - begin(all.back()) + buffer.bytes);
  }
}

/// For each batch and argument, the elements to the batch's first one.
static std::vector<int64_t> batchOffsets(const runtime::CpuCall &call, size_t arguments, int64_t batches) {
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

void keops::simulate(const runtime::LaunchRule &rule, const compiler::Simulation::Part &kernel,
                     const runtime::CpuCall &call) {
  int64_t batches = 1;
  for (int64_t axis = 0; axis < call.batchAxes; ++axis)
    batches *= call.batchSizes[axis];
  if (call.rows == 0 || batches == 0)
    return;
  // A GPU's kernel has no splits: of the rule, blocks of rows are all that a plan needs.
  runtime::LaunchRule blocksOnly;
  blocksOnly.rowsPerBlock = blocksOnly.rowGranularity = rule.rowsPerBlock;
  runtime::LaunchPlan plan(blocksOnly, call.rows, call.columns, batches, call.ranges);
  std::vector<runtime::PlannedBlock> blocks = plan.blockTable();
  std::vector<int64_t> intervals = plan.allPairs();
  std::vector<int64_t> offsets = batchOffsets(call, rule.arguments.size(), batches);

  runtime::SimLaunch launch;
  launch.grid = {static_cast<int64_t>(blocks.size()), batches, 1};
  launch.block = {kernel.threads, 1, 1};
  // Threads in some order that is not theirs, but the same in each run.
  launch.seed = 1;
  std::vector<runtime::SimBuffer> readOnly;
  for (auto [n, argument] : llvm::enumerate(rule.arguments)) {
    launch.arguments.push_back(const_cast<void *>(call.inputs[n]));
    launch.arguments.push_back(call.rowStrides[n]);
    launch.arguments.push_back(call.componentStrides[n]);
    int64_t rows = argument.axis == runtime::Axis::Row      ? call.rows
                   : argument.axis == runtime::Axis::Column ? call.columns
                                                            : 1;
    Axes axes = {{rows, call.rowStrides[n]}, {argument.dim, call.componentStrides[n]}};
    for (int64_t axis = 0; axis < call.batchAxes; ++axis)
      axes.push_back({call.batchSizes[axis], call.batchStrides[n * call.batchAxes + axis]});
    readOnly.push_back(extent(call.inputs[n], axes, runtime::sizeOf(argument.type)));
  }
  addInputs(std::move(readOnly), launch.buffers);
  for (auto [n, result] : llvm::enumerate(rule.results)) {
    launch.arguments.push_back(call.outputs[n]);
    launch.buffers.push_back({call.outputs[n], batches * call.rows * result.dim * runtime::sizeOf(result.type), true});
  }
  launch.arguments.push_back(call.rows);
  auto pass = [&](auto &table) {
    launch.arguments.push_back(static_cast<void *>(table.data()));
    launch.buffers.push_back({table.data(), static_cast<int64_t>(table.size() * sizeof(table[0])), false});
  };
  pass(blocks);
  pass(intervals);
  pass(offsets);
  if (std::optional<std::string> fault = kernel.kernel->launch(launch))
    throw Error("the simulated GPU stopped: " + *fault);
}
