//===- ThreadPool.h - Threads that share numbered tasks --------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One operation: run tasks 0 … n-1, each once, on the caller and some helpers.
// A job lives on its caller's stack and hands out task numbers through its own
// counter, so any number of callers may be at work at once. The caller never
// waits for a helper that has not begun: a job that the caller finishes alone
// costs a wake-up call and two uncontended locks.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_THREADPOOL_H
#define KEOPS_RUNTIME_THREADPOOL_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>

namespace keops::runtime {

class ThreadPool {
public:
  ThreadPool() = default;
  /// Joins the threads. No call of `parallelFor` may be running.
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  /// Processors that this process may run on, at least one.
  static int defaultThreads();

  /// Calls `callback(task, worker)` once for each task in [0, numTasks), on at
  /// most `threads` threads, and returns when all calls have. The caller takes
  /// part as worker 0; each other thread has its own worker number below
  /// `threads`. Runs inline, without touching the pool, if `threads` or
  /// `numTasks` is at most 1. May be called from any thread, from within a
  /// callback, and in the child of a fork. Threads start when first asked for.
  /// The callback must not throw.
  template <typename Callback>
  void parallelFor(int64_t numTasks, int threads, Callback &&callback) {
    if (threads > numTasks)
      threads = static_cast<int>(numTasks);
    if (threads <= 1) {
      for (int64_t task = 0; task < numTasks; ++task)
        callback(task, 0);
      return;
    }
    using Target = std::remove_reference_t<Callback>;
    run(
        numTasks, threads,
        [](const void *context, int64_t task, int worker) {
          (*static_cast<Target *>(const_cast<void *>(context)))(task, worker);
        },
        std::addressof(callback));
  }

private:
  using Body = void (*)(const void *context, int64_t task, int worker);
  struct Job;
  class Team;

  void run(int64_t numTasks, int threads, Body body, const void *context);
  Team &teamOfThisProcess();

  std::atomic<Team *> team{nullptr};
};

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_THREADPOOL_H
