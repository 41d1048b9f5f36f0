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
#include "keops/Runtime/GpuLaunch.h"

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

static runtime::SimArgument argumentOf(const runtime::GpuParameter &parameter, const runtime::CpuCall &call,
                                       runtime::GpuPlan &plan, char *scratch) {
  auto address = [&](const void *base) -> runtime::SimArgument {
    return static_cast<void *>(static_cast<char *>(const_cast<void *>(base)) + parameter.value);
  };
  switch (parameter.kind) {
  case runtime::GpuParameter::Kind::Input:
    return address(call.inputs[parameter.number]);
  case runtime::GpuParameter::Kind::Output:
    return address(call.outputs[parameter.number]);
  case runtime::GpuParameter::Kind::Table:
    return address(plan.tables[parameter.number].data());
  case runtime::GpuParameter::Kind::Scratch:
    return address(scratch);
  case runtime::GpuParameter::Kind::Integer:
    break;
  }
  return parameter.value;
}

void keops::simulate(const runtime::LaunchRule &rule, const compiler::Simulation &simulation,
                     const runtime::CpuCall &call, int64_t multiprocessors) {
  runtime::GpuPlan plan = runtime::planGpuLaunch(rule, call, {multiprocessors});
  std::vector<char> scratch(plan.scratchBytes);
  std::vector<runtime::SimBuffer> readOnly, buffers;
  for (auto [n, argument] : llvm::enumerate(rule.arguments)) {
    int64_t rows = argument.axis == runtime::Axis::Row      ? call.rows
                   : argument.axis == runtime::Axis::Column ? call.columns
                                                            : 1;
    Axes axes = {{rows, call.rowStrides[n]}, {argument.dim, call.componentStrides[n]}};
    for (int64_t axis = 0; axis < call.batchAxes; ++axis)
      axes.push_back({call.batchSizes[axis], call.batchStrides[n * call.batchAxes + axis]});
    readOnly.push_back(extent(call.inputs[n], axes, runtime::sizeOf(argument.type)));
  }
  addInputs(std::move(readOnly), buffers);
  for (auto [n, result] : llvm::enumerate(rule.results))
    buffers.push_back(
        {call.outputs[n], runtime::batchesOf(call) * call.rows * result.dim * runtime::sizeOf(result.type), true});
  for (std::vector<int64_t> &table : plan.tables)
    buffers.push_back({table.data(), static_cast<int64_t>(table.size() * sizeof(int64_t)), false});
  buffers.push_back({scratch.data(), plan.scratchBytes, true});

  for (const runtime::GpuLaunch &part : plan.launches) {
    runtime::SimLaunch launch;
    launch.grid = {part.grid[0], part.grid[1], 1};
    launch.block = {part.threads, 1, 1};
    launch.sharedBytes = part.sharedBytes;
    launch.buffers = buffers;
    // Threads in some order that is not theirs, but the same in each run.
    launch.seed = 1;
    for (const runtime::GpuParameter &parameter : part.parameters)
      launch.arguments.push_back(argumentOf(parameter, call, plan, scratch.data()));
    if (std::optional<std::string> fault = simulation.functions.at(part.entry)->launch(launch))
      throw Error("the simulated GPU stopped: " + *fault);
  }
}
