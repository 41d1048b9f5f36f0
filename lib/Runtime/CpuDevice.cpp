//===- CpuDevice.cpp - Launches kernels on the processor -------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A task is a block of rows, a list of column intervals and a batch. Batches
// differ in addresses alone, which each task computes for itself.
//
// Memory to work in belongs to the thread that works and is kept from call to
// call, so small launches allocate nothing, lock nothing and wake nobody.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/CpuDevice.h"

#include "Buffer.h"
#include "keops/Runtime/LaunchPlan.h"
#include "keops/Runtime/ThreadPool.h"

#include <algorithm>
#include <atomic>
#include <new>

using namespace keops::runtime;

namespace {

/// What a task works in: the kernel's scratch, the state of a block, and the
/// addresses of a batch.
thread_local Buffer workBuffer;
/// States of a launch with split columns; belongs to the caller of `launch`, as does its plan.
thread_local Buffer stateBuffer;
thread_local LaunchPlan launchPlan;

/// One launch under way.
class Launch {
public:
  Launch(const LaunchRule &rule, const CpuModule::Entries &code, const CpuCall &call, const LaunchPlan &plan,
         int64_t batches)
      : rule(rule), code(code), call(call), plan(plan), batches(batches) {}

  void run(ThreadPool &pool) {
    int threads = static_cast<int>(std::min<int64_t>(call.threads, plan.usefulThreads));
    if (plan.states > 0) {
      states = stateBuffer.reserve(batches * plan.states * rule.stateBytes);
      if (!states)
        throw std::bad_alloc();
    }
    pool.parallelFor(batches * plan.tasks, threads, [this](int64_t task, int worker) {
      reduce(task);
      if (call.progress)
        tellProgress(/*isCaller=*/worker == 0);
    });
    if (plan.states > 0) {
      pool.parallelFor(batches * plan.blocks, threads, [this](int64_t block, int) { merge(block); });
      stateBuffer.release();
    }
    if (outOfMemory.load(std::memory_order_relaxed))
      throw std::bad_alloc();
  }

private:
  void reduce(int64_t number) {
    int64_t batch = number / plan.tasks, task = number % plan.tasks;
    const Segment &segment = plan.segmentOfTask(task);
    int64_t block = (task - segment.firstTask) / segment.splits, split = (task - segment.firstTask) % segment.splits;
    char *memory = reserveWork();
    if (!memory)
      return;
    KernelFrame frame = frameOf(batch, segment, block, memory);
    const IntervalList &list = plan.lists[segment.firstList + split];
    frame.intervals = plan.pairs(list);
    frame.numIntervals = list.count;
    if (segment.splits > 1) {
      frame.state = stateOf(batch, segment, block) + split * rule.stateBytes;
      code.accumulate(&frame);
    } else {
      frame.state = memory + rule.scratchBytes;
      code.accumulate(&frame);
      code.finalize(&frame);
    }
    workBuffer.release();
  }

  void tellProgress(bool isCaller) {
    int64_t done = tasksDone.fetch_add(1, std::memory_order_relaxed) + 1;
    if (isCaller)
      (*call.progress)(static_cast<double>(done) / static_cast<double>(batches * plan.tasks));
  }

  void merge(int64_t number) {
    int64_t batch = number / plan.blocks, block = number % plan.blocks;
    const Segment &segment = plan.segmentOfBlock(block);
    if (segment.splits == 1 || outOfMemory.load(std::memory_order_relaxed))
      return;
    char *memory = reserveWork();
    if (!memory)
      return;
    KernelFrame frame = frameOf(batch, segment, block - segment.firstBlock, memory);
    frame.state = stateOf(batch, segment, block - segment.firstBlock);
    frame.numStates = segment.splits;
    code.finalize(&frame);
    workBuffer.release();
  }

  char *stateOf(int64_t batch, const Segment &segment, int64_t block) const {
    return states + (batch * plan.states + segment.firstState + block * segment.splits) * rule.stateBytes;
  }

  char *reserveWork() {
    size_t addresses = rule.arguments.size() + rule.results.size();
    char *memory = workBuffer.reserve(rule.scratchBytes + rule.stateBytes + roundUp(addresses * sizeof(void *)));
    // A helper thread has no one to throw to.
    if (!memory)
      outOfMemory.store(true, std::memory_order_relaxed);
    return memory;
  }

  KernelFrame frameOf(int64_t batch, const Segment &segment, int64_t block, char *memory) const {
    KernelFrame frame;
    frame.inputs = call.inputs;
    frame.outputs = call.outputs;
    if (batches > 1)
      moveTo(batch, frame, reinterpret_cast<void **>(memory + rule.scratchBytes + rule.stateBytes));
    frame.rowStrides = call.rowStrides;
    frame.componentStrides = call.componentStrides;
    frame.rowBegin = segment.rowBegin + block * segment.rowsPerBlock;
    frame.rowEnd = frame.rowBegin + std::min(segment.rowsPerBlock, segment.rowEnd - frame.rowBegin);
    frame.scratch = memory;
    return frame;
  }

  /// Writes the addresses of `batch` to `addresses` and points the frame there.
  void moveTo(int64_t batch, KernelFrame &frame, void **addresses) const {
    size_t numInputs = rule.arguments.size();
    for (size_t n = 0; n < numInputs; ++n) {
      int64_t rest = batch, offset = 0;
      for (int64_t axis = call.batchAxes - 1; axis >= 0; --axis) {
        offset += rest % call.batchSizes[axis] * call.batchStrides[n * call.batchAxes + axis];
        rest /= call.batchSizes[axis];
      }
      auto *first = static_cast<char *>(const_cast<void *>(call.inputs[n]));
      addresses[n] = first + offset * sizeOf(rule.arguments[n].type);
    }
    for (size_t n = 0; n < rule.results.size(); ++n) {
      const ResultInfo &result = rule.results[n];
      addresses[numInputs + n] =
          static_cast<char *>(call.outputs[n]) + batch * call.rows * result.dim * sizeOf(result.type);
    }
    frame.inputs = addresses;
    frame.outputs = addresses + numInputs;
  }

  const LaunchRule &rule;
  const CpuModule::Entries &code;
  const CpuCall &call;
  const LaunchPlan &plan;
  const int64_t batches;
  char *states = nullptr;
  std::atomic<int64_t> tasksDone{0};
  std::atomic<bool> outOfMemory{false};
};

} // namespace

void keops::runtime::launch(const LaunchRule &rule, const CpuModule::Entries &code, const CpuCall &call,
                            ThreadPool &pool) {
  int64_t batches = 1;
  for (int64_t axis = 0; axis < call.batchAxes; ++axis)
    batches *= call.batchSizes[axis];
  launchPlan.make(rule, call.rows, call.columns, batches, call.ranges);
  if (launchPlan.tasks == 0)
    return;
  Launch(rule, code, call, launchPlan, batches).run(pool);
  launchPlan.release();
}
