//===- ThreadPoolTest.cpp - Threads that share numbered tasks --------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/ThreadPool.h"

#include "gtest/gtest.h"

#include <chrono>
#include <set>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace keops::runtime;

namespace {

/// Runs `numTasks` tasks; true if each ran once and worker numbers were in range.
bool runsEachTaskOnce(ThreadPool &pool, int64_t numTasks, int threads) {
  std::vector<std::atomic<int>> runs(numTasks);
  std::atomic<bool> workersInRange{true};
  pool.parallelFor(numTasks, threads, [&](int64_t task, int worker) {
    runs[task].fetch_add(1);
    if (worker < 0 || worker >= threads)
      workersInRange = false;
  });
  for (std::atomic<int> &count : runs)
    if (count != 1)
      return false;
  return workersInRange;
}

TEST(ThreadPool, RunsEachTaskOnce) {
  ThreadPool pool;
  for (int threads : {1, 2, 3, 7, 20})
    for (int64_t numTasks : {0, 1, 2, 3, 19, 1000})
      EXPECT_TRUE(runsEachTaskOnce(pool, numTasks, threads)) << numTasks << " tasks, " << threads << " threads";
}

TEST(ThreadPool, ManyTinyJobs) {
  ThreadPool pool;
  int64_t sum = 0;
  for (int round = 0; round < 20000; ++round) {
    std::atomic<int64_t> part{0};
    pool.parallelFor(3, 3, [&](int64_t task, int) { part += task; });
    sum += part;
  }
  EXPECT_EQ(sum, 20000 * 3);
}

TEST(ThreadPool, OneThreadRunsInlineInOrder) {
  ThreadPool pool;
  std::vector<int64_t> order;
  std::set<std::thread::id> ids;
  pool.parallelFor(5, 1, [&](int64_t task, int worker) {
    EXPECT_EQ(worker, 0);
    order.push_back(task);
    ids.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(order, (std::vector<int64_t>{0, 1, 2, 3, 4}));
  EXPECT_EQ(ids, (std::set<std::thread::id>{std::this_thread::get_id()}));
}

TEST(ThreadPool, HelpersTakePart) {
  // Each of three tasks waits until all three have begun, so three threads are needed, sleeping or not.
  ThreadPool pool;
  for (int round = 0; round < 3; ++round) {
    std::atomic<int> begun{0};
    std::atomic<int> workers{0};
    pool.parallelFor(3, 3, [&](int64_t, int worker) {
      workers |= 1 << worker;
      ++begun;
      while (begun < 3)
        std::this_thread::yield();
    });
    EXPECT_EQ(workers, 7);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

TEST(ThreadPool, WorkersNeverShareANumber) {
  ThreadPool pool;
  for (int round = 0; round < 50; ++round) {
    std::vector<std::atomic<int>> inside(7);
    std::atomic<bool> shared{false};
    pool.parallelFor(200, 7, [&](int64_t, int worker) {
      if (inside[worker].fetch_add(1) != 0)
        shared = true;
      std::this_thread::yield(); // lets helpers come in
      inside[worker].fetch_sub(1);
    });
    EXPECT_FALSE(shared);
  }
}

TEST(ThreadPool, SeveralCallersAtOnce) {
  ThreadPool pool;
  std::atomic<int> failures{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller)
    callers.emplace_back([&, caller] {
      for (int round = 0; round < 300; ++round)
        if (!runsEachTaskOnce(pool, 1 + (round * 7 + caller) % 40, 2 + caller % 3))
          ++failures;
    });
  for (std::thread &caller : callers)
    caller.join();
  EXPECT_EQ(failures, 0);
}

TEST(ThreadPool, CallsFromWithinTasks) {
  ThreadPool pool;
  std::atomic<int64_t> sum{0};
  pool.parallelFor(8, 4, [&](int64_t outer, int) {
    pool.parallelFor(16, 4, [&](int64_t inner, int) { sum += outer * 16 + inner; });
  });
  EXPECT_EQ(sum, 127 * 128 / 2);
}

TEST(ThreadPool, WorksInTheChildOfAFork) {
  ThreadPool pool;
  ASSERT_TRUE(runsEachTaskOnce(pool, 100, 3));
  // The parent's threads are busy with the lock while it forks.
  std::atomic<bool> stop{false};
  std::thread other([&] {
    while (!stop)
      runsEachTaskOnce(pool, 10, 3);
  });
  for (int round = 0; round < 20; ++round) {
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      alarm(10);
      bool good = runsEachTaskOnce(pool, 100, 3);
      std::atomic<int> begun{0};
      pool.parallelFor(2, 2, [&](int64_t, int) {
        ++begun;
        while (begun < 2)
          std::this_thread::yield();
      });
      pool.~ThreadPool();
      _exit(good ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "child ended with status " << status;
  }
  stop = true;
  other.join();
  EXPECT_TRUE(runsEachTaskOnce(pool, 100, 3));
}

TEST(ThreadPool, AnUnusedChildOfAForkMayDestroyThePool) {
  auto pool = std::make_unique<ThreadPool>();
  ASSERT_TRUE(runsEachTaskOnce(*pool, 100, 3));
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(10);
    pool.reset();
    _exit(0);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "child ended with status " << status;
}

TEST(ThreadPool, DefaultIsAtLeastOne) { EXPECT_GE(ThreadPool::defaultThreads(), 1); }

} // namespace
