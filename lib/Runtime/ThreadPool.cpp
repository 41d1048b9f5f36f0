//===- ThreadPool.cpp - Threads that share numbered tasks ------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Idle threads look for work for some microseconds, so that jobs in close
// succession find them awake, and then sleep. Waking spreads as a tree: the
// caller wakes two sleepers and each thread that joins a job wakes two more, so
// a wide job starts in logarithmic time and a short one is over before most
// threads are disturbed. All lists and counts are under one lock, taken a few
// times per job and never per task.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/ThreadPool.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

using namespace keops::runtime;

namespace {

/// Rounds of looking before a thread sleeps: ten to forty microseconds.
constexpr int spinRounds = 1000;
/// Sleepers that one thread wakes.
constexpr int wakeFanOut = 2;

inline void pauseProcessor() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

/// Blocks all signals while in scope. Threads inherit the mask, so signals stay
/// with the threads of the program that uses us.
class SignalsBlocked {
public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }

private:
  sigset_t before;
};

} // namespace

struct ThreadPool::Job {
  Job(Body body, const void *context, int64_t numTasks, int threads)
      : body(body), context(context), numTasks(numTasks), threads(threads) {}

  void work(int worker) {
    for (int64_t task; (task = nextTask.fetch_add(1, std::memory_order_relaxed)) < numTasks;)
      body(context, task, worker);
  }
  /// Under the team's lock.
  int openPlaces() const { return nextTask.load(std::memory_order_relaxed) < numTasks ? threads - joined : 0; }

  const Body body;
  const void *const context;
  const int64_t numTasks;
  const int threads;
  /// Worker numbers given out; the caller has number 0. Under the team's lock.
  int joined = 1;
  /// The job after this one. Under the team's lock.
  Job *next = nullptr;
  std::condition_variable finished;
  /// Helpers at work. Changed under the team's lock only, but read without it.
  std::atomic<int> helpers{0};
  alignas(64) std::atomic<int64_t> nextTask{0};
};

/// The threads of one process. A child after a fork has none of its parent's
/// threads and cannot trust the lock, so it makes a team of its own.
class ThreadPool::Team {
public:
  Team() : process(getpid()) {}
  ~Team() {
    {
      std::lock_guard<std::mutex> lock(mutex);
      stopping = true;
      jobsSeen.fetch_add(1, std::memory_order_release);
    }
    wakeUp.notify_all();
    for (std::thread &thread : threads)
      thread.join();
  }

  void run(Job &job) {
    int toWake;
    {
      std::lock_guard<std::mutex> lock(mutex);
      startThreads(job.threads - 1);
      *findEnd() = &job;
      jobsSeen.fetch_add(1, std::memory_order_release);
      toWake = sleepersToWake(job);
    }
    wake(toWake);
    job.work(/*worker=*/0);

    {
      std::lock_guard<std::mutex> lock(mutex);
      unlink(job);
      if (job.helpers.load(std::memory_order_relaxed) == 0)
        return;
    }
    for (int round = 0; round < spinRounds && job.helpers.load(std::memory_order_acquire) != 0; ++round)
      pauseProcessor();
    // The lock also waits for the last helper to be done with the job's memory.
    std::unique_lock<std::mutex> lock(mutex);
    job.finished.wait(lock, [&] { return job.helpers.load(std::memory_order_relaxed) == 0; });
  }

  const pid_t process;

private:
  void startThreads(int wanted) {
    if (static_cast<int>(threads.size()) >= wanted)
      return;
    SignalsBlocked blocked;
    try {
      while (static_cast<int>(threads.size()) < wanted)
        threads.emplace_back([this] { serve(); });
    } catch (const std::system_error &) {
      // No more threads to be had: those that exist, at least the caller, do the work.
    } catch (const std::bad_alloc &) {
    }
  }

  /// The life of a helper: work on jobs, look for more, sleep, stop.
  void serve() {
    std::unique_lock<std::mutex> lock(mutex);
    while (!stopping) {
      if (Job *job = findOpenJob()) {
        help(*job, lock);
        continue;
      }
      uint64_t seen = jobsSeen.load(std::memory_order_relaxed);
      ++looking;
      lock.unlock();
      for (int round = 0; round < spinRounds && jobsSeen.load(std::memory_order_acquire) == seen; ++round)
        pauseProcessor();
      lock.lock();
      --looking;
      // Whoever adds a job counts on threads that are looking: they look again before they sleep.
      if (jobsSeen.load(std::memory_order_relaxed) != seen)
        continue;
      ++sleeping;
      wakeUp.wait(lock, [&] { return jobsSeen.load(std::memory_order_relaxed) != seen; });
      --sleeping;
    }
  }

  void help(Job &job, std::unique_lock<std::mutex> &lock) {
    int worker = job.joined++;
    job.helpers.fetch_add(1, std::memory_order_relaxed);
    int toWake = sleepersToWake(job);
    lock.unlock();
    wake(toWake);
    job.work(worker);
    lock.lock();
    if (job.helpers.fetch_sub(1, std::memory_order_release) == 1)
      job.finished.notify_one();
  }

  int sleepersToWake(const Job &job) const { return std::min({job.openPlaces() - looking, sleeping, wakeFanOut}); }
  void wake(int count) {
    for (; count > 0; --count)
      wakeUp.notify_one();
  }

  Job *findOpenJob() {
    Job *job = first;
    while (job && job->openPlaces() <= 0)
      job = job->next;
    return job;
  }
  Job **findEnd() {
    Job **place = &first;
    while (*place)
      place = &(*place)->next;
    return place;
  }
  void unlink(Job &job) {
    Job **place = &first;
    while (*place != &job)
      place = &(*place)->next;
    *place = job.next;
  }

  std::mutex mutex;
  std::condition_variable wakeUp;
  std::vector<std::thread> threads;
  Job *first = nullptr;
  int looking = 0;
  int sleeping = 0;
  bool stopping = false;
  /// Counts events worth waking for.
  std::atomic<uint64_t> jobsSeen{0};
};

ThreadPool::~ThreadPool() {
  Team *last = team.load(std::memory_order_acquire);
  // A team from before a fork has no threads to join; destroying it would wait for them.
  if (last && last->process == getpid())
    delete last;
}

int ThreadPool::defaultThreads() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

void ThreadPool::run(int64_t numTasks, int threads, Body body, const void *context) {
  Job job(body, context, numTasks, threads);
  teamOfThisProcess().run(job);
}

ThreadPool::Team &ThreadPool::teamOfThisProcess() {
  Team *current = team.load(std::memory_order_acquire);
  if (current && current->process == getpid())
    return *current;
  Team *fresh = new Team();
  // No lock here: in the child of a fork it might be held by a thread that is gone.
  if (team.compare_exchange_strong(current, fresh, std::memory_order_acq_rel))
    return *fresh;
  delete fresh;
  return *current;
}
