//===- CpuDevice.cpp - Launches kernels on the processor -------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// First rows are cut, because blocks of rows are independent: as large as the
// kernel takes them, smaller when there would be too few to share. If rows
// alone make too few tasks, columns are cut too; then each task leaves a state
// behind, and a second round merges the states of each block in order.
//
// Memory to work in belongs to the thread that works and is kept from call to
// call, so small launches allocate nothing, lock nothing and wake nobody.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/CpuDevice.h"

#include "keops/Runtime/CpuModule.h"
#include "keops/Runtime/ThreadPool.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <new>

using namespace keops::runtime;

namespace {

/// Work is counted in pairs of a light formula, at some 10⁹ a second. A task of
/// this much takes long enough, some 0.1 ms, to be worth a thread …
constexpr double worthATask = 1 << 18;
/// … but more than `enoughTasks` are made only of tasks of this much work, for
/// machines with many cores, and never more than `mostTasks`.
constexpr double worthManyTasks = 1 << 22;
constexpr double enoughTasks = 16;
constexpr double mostTasks = 256;
/// Components of arguments that a light formula reads for a pair.
constexpr int64_t lightComponents = 8;

/// Buffers that grew above this are not kept after use.
constexpr size_t keptBytes = size_t(64) << 20;
constexpr size_t alignment = 64;

int64_t divideUp(int64_t value, int64_t by) { return value / by + (value % by != 0); }

/// Memory of one thread, aligned, kept between uses and only ever growing.
class Buffer {
public:
  Buffer() = default;
  ~Buffer() { std::free(memory); }
  Buffer(const Buffer &) = delete;
  Buffer &operator=(const Buffer &) = delete;

  /// At least `bytes`, a multiple of 64, of memory with any content, or null
  /// if there is not so much.
  char *reserve(size_t bytes) {
    bytes = std::max(bytes, alignment);
    if (bytes > capacity)
      grow(bytes);
    return memory;
  }
  /// The content is no longer needed.
  void release() {
    if (capacity <= keptBytes)
      return;
    std::free(memory);
    memory = nullptr;
    capacity = 0;
  }

private:
  void grow(size_t bytes) {
    std::free(memory);
    memory = static_cast<char *>(std::aligned_alloc(alignment, bytes));
    capacity = memory ? bytes : 0;
  }

  char *memory = nullptr;
  size_t capacity = 0;
};

/// What a task works in: the kernel's scratch, then the state of a block.
thread_local Buffer workBuffer;
/// States of a launch with split columns; belongs to the caller of `launch`.
thread_local Buffer stateBuffer;

/// One launch under way.
class Launch {
public:
  Launch(const Artifact &artifact, const CpuModule &module, const CpuCall &call, const CpuPlan &plan)
      : artifact(artifact), module(module), call(call), plan(plan) {}

  void run(ThreadPool &pool) {
    int threads = static_cast<int>(std::min<int64_t>(call.threads, plan.usefulThreads));
    if (plan.splits == 1) {
      pool.parallelFor(plan.blocks, threads, [this](int64_t block, int) { reduceBlock(block); });
    } else {
      states = stateBuffer.reserve(plan.blocks * plan.splits * artifact.stateBytes);
      if (!states)
        throw std::bad_alloc();
      pool.parallelFor(plan.blocks * plan.splits, threads, [this](int64_t task, int) { reduceSplit(task); });
      pool.parallelFor(plan.blocks, threads, [this](int64_t block, int) { mergeBlock(block); });
      stateBuffer.release();
    }
    if (outOfMemory.load(std::memory_order_relaxed))
      throw std::bad_alloc();
  }

private:
  void reduceBlock(int64_t block) {
    char *memory = reserveWork();
    if (!memory)
      return;
    KernelFrame frame = frameOf(block, memory);
    frame.state = memory + artifact.scratchBytes;
    int64_t interval[2] = {0, call.columns};
    accumulate(frame, interval);
    module.finalize(frame);
    workBuffer.release();
  }

  void reduceSplit(int64_t task) {
    char *memory = reserveWork();
    if (!memory)
      return;
    KernelFrame frame = frameOf(task / plan.splits, memory);
    frame.state = states + task * artifact.stateBytes;
    int64_t begin = task % plan.splits * plan.columnsPerSplit;
    int64_t interval[2] = {begin, begin + std::min(plan.columnsPerSplit, call.columns - begin)};
    accumulate(frame, interval);
    workBuffer.release();
  }

  void mergeBlock(int64_t block) {
    if (outOfMemory.load(std::memory_order_relaxed))
      return;
    char *memory = reserveWork();
    if (!memory)
      return;
    KernelFrame frame = frameOf(block, memory);
    frame.state = states + block * plan.splits * artifact.stateBytes;
    frame.numStates = plan.splits;
    int64_t interval[2] = {0, call.columns};
    frame.intervals = interval;
    frame.numIntervals = 1;
    module.finalize(frame);
    workBuffer.release();
  }

  char *reserveWork() {
    char *memory = workBuffer.reserve(artifact.scratchBytes + artifact.stateBytes);
    // A helper thread has no one to throw to.
    if (!memory)
      outOfMemory.store(true, std::memory_order_relaxed);
    return memory;
  }

  KernelFrame frameOf(int64_t block, char *scratch) const {
    KernelFrame frame;
    frame.inputs = call.inputs;
    frame.rowStrides = call.rowStrides;
    frame.componentStrides = call.componentStrides;
    frame.outputs = call.outputs;
    frame.rowBegin = block * plan.rowsPerBlock;
    frame.rowEnd = frame.rowBegin + std::min(plan.rowsPerBlock, call.rows - frame.rowBegin);
    frame.scratch = scratch;
    return frame;
  }

  void accumulate(KernelFrame &frame, const int64_t interval[2]) const {
    frame.intervals = interval;
    frame.numIntervals = interval[0] < interval[1] ? 1 : 0;
    module.accumulate(frame);
  }

  const Artifact &artifact;
  const CpuModule &module;
  const CpuCall &call;
  const CpuPlan &plan;
  char *states = nullptr;
  std::atomic<bool> outOfMemory{false};
};

} // namespace

CpuPlan keops::runtime::planLaunch(const Artifact &artifact, int64_t rows, int64_t columns) {
  CpuPlan plan;
  plan.splits = 1;
  plan.columnsPerSplit = columns;
  if (rows <= 0)
    return plan;

  int64_t components = 0;
  for (const ArgumentInfo &argument : artifact.arguments)
    components += argument.dim;
  // In floating point: the product of two sizes may not fit an integer.
  double work = static_cast<double>(rows) * static_cast<double>(columns) *
                static_cast<double>(std::max<int64_t>(1, components / lightComponents));
  double manyTasks = std::max(enoughTasks, std::min(mostTasks, work / worthManyTasks));
  int64_t wanted = static_cast<int64_t>(std::max(1.0, std::min(manyTasks, work / worthATask)));

  // Rows: blocks of equal size, as few as the kernel allows and at least as many as wanted.
  int64_t granularity = std::max<int64_t>(1, std::min(artifact.rowGranularity, artifact.rowsPerBlock));
  int64_t largestBlock = std::max(granularity, artifact.rowsPerBlock / granularity * granularity);
  int64_t fewest = std::max(divideUp(rows, largestBlock), std::min(wanted, divideUp(rows, granularity)));
  plan.rowsPerBlock = divideUp(divideUp(rows, fewest), granularity) * granularity;
  plan.blocks = divideUp(rows, plan.rowsPerBlock);

  // Columns: split if rows fall short, by whole tiles.
  if (plan.blocks < wanted && artifact.columnsPerTile > 0) {
    int64_t tiles = divideUp(columns, artifact.columnsPerTile);
    int64_t splits = std::min(divideUp(wanted, plan.blocks), tiles);
    plan.columnsPerSplit = divideUp(tiles, splits) * artifact.columnsPerTile;
    plan.splits = divideUp(columns, plan.columnsPerSplit);
  }
  plan.usefulThreads = static_cast<int64_t>(std::max(1.0, std::min(work / worthATask, 1e6)));
  return plan;
}

void keops::runtime::launch(const Artifact &artifact, const CpuModule &module, const CpuCall &call, ThreadPool &pool) {
  if (call.rows <= 0)
    return;
  CpuPlan plan = planLaunch(artifact, call.rows, call.columns);
  Launch(artifact, module, call, plan).run(pool);
}
