//===- Program.cpp - Runs the steps of a program ---------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arrays between steps are contiguous, one for each batch of the call, and lie
// in memory that the calling thread keeps. Ranges name pairs, so a step that
// reduces the other index takes the same pairs from the other side; what sums or
// maps rows without pairs has no ranges.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/Program.h"

#include "Buffer.h"
#include "MovedRows.h"
#include "StepRunner.h"
#include "TransposedRanges.h"
#include "keops/Runtime/GpuLaunch.h"
#include "keops/Runtime/ThreadPool.h"

#include <algorithm>
#include <new>
#include <optional>

using namespace keops::runtime;

namespace {

class Program {
public:
  Program(const Artifact &artifact, const CpuCall &call, StepRunner &runner)
      : artifact(artifact), call(call), runner(runner), batches(batchesOf(call)) {}

  void run() {
    if (batches == 0)
      return;
    reserveTemporaries();
    for (const Step &step : artifact.steps)
      if (ThreadPool *pool = movesRows(step) ? runner.movers(step) : nullptr)
        move(step, *pool);
      else
        launchKernel(step);
  }

private:
  static bool movesRows(const Step &step) { return step.operation != Step::Operation::Launch; }
  int64_t rowsOf(Axis axis) const { return axis == Axis::Row ? call.rows : axis == Axis::Column ? call.columns : 1; }

  void reserveTemporaries() {
    size_t bytes = 0;
    for (const ArgumentInfo &temporary : artifact.temporaries) {
      int64_t own = batches;
      if (__builtin_mul_overflow(own, rowsOf(temporary.axis), &own) ||
          __builtin_mul_overflow(own, temporary.dim * sizeOf(temporary.type), &own))
        throw std::bad_alloc();
      offsets.push_back(bytes);
      bytes += roundUp(static_cast<size_t>(own));
    }
    temporaries = runner.reserve(bytes);
  }

  /// Strides between batches of contiguous arrays of `elements` each, which go to the end of `strides`.
  void addBatchStrides(int64_t elements, std::vector<int64_t> &strides) const {
    size_t first = strides.size();
    strides.resize(first + call.batchAxes);
    for (int64_t axis = call.batchAxes - 1; axis >= 0; --axis) {
      strides[first + axis] = call.batchSizes[axis] == 1 ? 0 : elements;
      elements *= call.batchSizes[axis];
    }
  }

  /// The array, with its batch strides at the end of `strides`.
  StridedArray find(const StepArray &array, std::vector<int64_t> &strides) const {
    StridedArray found;
    size_t number = static_cast<size_t>(array.number);
    if (array.kind == StepArray::Kind::Argument) {
      const ArgumentInfo &info = artifact.arguments[number];
      found.data = static_cast<char *>(const_cast<void *>(call.inputs[number]));
      found.type = info.type;
      found.dim = info.dim;
      found.rows = rowsOf(info.axis);
      found.rowStride = info.axis == Axis::Parameter ? 0 : call.rowStrides[number];
      found.componentStride = call.componentStrides[number];
      const int64_t *own = call.batchStrides + array.number * call.batchAxes;
      strides.insert(strides.end(), own, own + call.batchAxes);
      return found;
    }
    bool isResult = array.kind == StepArray::Kind::Result;
    Axis axis = isResult ? artifact.results[number].axis : artifact.temporaries[number].axis;
    found.data = isResult ? static_cast<char *>(call.outputs[number]) : temporaries + offsets[number];
    found.type = isResult ? artifact.results[number].type : artifact.temporaries[number].type;
    found.dim = isResult ? artifact.results[number].dim : artifact.temporaries[number].dim;
    found.rows = rowsOf(axis);
    found.rowStride = axis == Axis::Parameter ? 0 : found.dim;
    addBatchStrides(found.rows * found.dim, strides);
    return found;
  }

  /// The pairs that a step takes; null for all.
  const Ranges *rangesOf(const Step &step) {
    if (!call.ranges || movesRows(step) || step.rows == Axis::Parameter || step.columns == Axis::Parameter)
      return nullptr;
    if (step.rows == Axis::Row)
      return call.ranges;
    if (!transposed)
      transposed.emplace(*call.ranges);
    return transposed->get();
  }

  void launchKernel(const Step &step) {
    std::vector<const void *> inputs;
    std::vector<void *> outputs;
    std::vector<int64_t> rowStrides, componentStrides, batchStrides;
    for (const StepArray &input : step.inputs) {
      StridedArray array = find(input, batchStrides);
      inputs.push_back(array.data);
      rowStrides.push_back(array.rowStride);
      componentStrides.push_back(array.componentStride);
    }
    std::vector<int64_t> unused;
    for (const StepArray &output : step.outputs)
      outputs.push_back(find(output, unused).data);
    CpuCall own = call;
    own.inputs = inputs.data();
    own.rowStrides = rowStrides.data();
    own.componentStrides = componentStrides.data();
    own.batchStrides = batchStrides.data();
    own.outputs = outputs.data();
    own.rows = rowsOf(step.rows);
    own.columns = rowsOf(step.columns);
    own.ranges = rangesOf(step);
    // Each pass over the pairs counts as an equal part of the whole.
    std::function<void(double)> ofPass = [&](double part) { (*call.progress)((passesDone + part) / passes()); };
    own.progress = call.progress && !movesRows(step) ? &ofPass : nullptr;
    runner.launch(step, own);
    passesDone += movesRows(step) ? 0 : 1;
  }

  double passes() const {
    return static_cast<double>(
        std::count_if(artifact.steps.begin(), artifact.steps.end(), [](const Step &step) { return !movesRows(step); }));
  }

  void move(const Step &step, ThreadPool &pool) {
    MoveSizes sizes;
    sizes.rows = rowsOf(step.rows);
    sizes.columns = rowsOf(step.columns);
    sizes.groups = step.groups;
    sizes.batchAxes = call.batchAxes;
    sizes.batchSizes = call.batchSizes;
    sizes.threads = call.threads;
    std::vector<StridedArray> arrays;
    std::vector<std::vector<int64_t>> strides(step.inputs.size() + 1);
    for (const StepArray &input : step.inputs)
      arrays.push_back(find(input, strides[arrays.size()]));
    arrays.push_back(find(step.outputs[0], strides[arrays.size()]));
    for (size_t n = 0; n < arrays.size(); ++n)
      arrays[n].batchStrides = strides[n].data();
    if (step.operation == Step::Operation::Gather)
      gatherRows(arrays[0], arrays[1], arrays[2], sizes, pool);
    else if (step.operation == Step::Operation::Scatter)
      scatterRows(arrays[0], arrays[1], arrays[2], sizes, pool);
    else
      copyRows(arrays[0], arrays[1], sizes, pool);
  }

  const Artifact &artifact;
  const CpuCall &call;
  StepRunner &runner;
  int64_t batches;
  char *temporaries = nullptr;
  std::vector<size_t> offsets; ///< of temporaries
  std::optional<TransposedRanges> transposed;
  int64_t passesDone = 0;
};

/// Temporaries of the program that this thread runs.
thread_local Buffer temporaryBuffer;

/// Kernels where the caller says, in memory of this machine.
class HostRunner : public StepRunner {
public:
  HostRunner(const KernelLauncher &launcher, ThreadPool &pool) : launcher(launcher), pool(pool) {}
  ~HostRunner() override { temporaryBuffer.release(); }

  char *reserve(size_t bytes) override {
    char *memory = temporaryBuffer.reserve(bytes);
    if (!memory)
      throw std::bad_alloc();
    return memory;
  }
  void launch(const Step &step, const CpuCall &call) override { launcher(step, call); }
  ThreadPool *movers(const Step &step) override { return step.kernel == Step::NoKernel ? &pool : nullptr; }

private:
  const KernelLauncher &launcher;
  ThreadPool &pool;
};

} // namespace

void keops::runtime::runSteps(const Artifact &artifact, const CpuCall &call, StepRunner &runner) {
  Program(artifact, call, runner).run();
}

void keops::runtime::runProgram(const Artifact &artifact, const CpuCall &call, const KernelLauncher &launcher,
                                ThreadPool &pool) {
  HostRunner runner(launcher, pool);
  runSteps(artifact, call, runner);
}
