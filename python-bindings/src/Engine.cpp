//===- Engine.cpp - The one engine of a Python process ----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The child of a fork inherits every lock in the state it had, but only the
// thread that forked. The thread pool mends itself in the child; a compiler in
// the middle of its work cannot. Compilations therefore hold a shared lock that
// a fork takes alone.
//
//===----------------------------------------------------------------------===//

#include "Engine.h"

#include <nanobind/nanobind.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <new>
#include <shared_mutex>
#include <vector>

#include <pthread.h>

namespace nb = nanobind;
using namespace keops;

/// Never destroyed: threads may still compile while the process ends.
static std::shared_mutex &compilations() {
  static std::shared_mutex &mutex = *new std::shared_mutex;
  return mutex;
}

void keops::python::protectForks() {
  compilations();
  pthread_atfork([] { compilations().lock(); }, [] { compilations().unlock(); },
                 // In the child the owner has another thread number, which unlock would not recognise.
                 [] { new (&compilations()) std::shared_mutex; });
}

/// `$KEOPS_NUM_THREADS`; 0 if it is not set.
static int threadsFromEnvironment() {
  const char *text = std::getenv("KEOPS_NUM_THREADS");
  if (!text || !*text)
    return 0;
  char *end = nullptr;
  errno = 0;
  long threads = std::strtol(text, &end, 10);
  constexpr long most = 65536;
  if (*end || errno || threads < 0 || threads > most)
    throw Error("the environment variable KEOPS_NUM_THREADS is a number of threads between 1 and " +
                std::to_string(most) + ", or 0 for one per core; got '" + text + "'");
  return static_cast<int>(threads);
}

static std::shared_ptr<Engine> makeEngine(const std::string &folder) {
  Engine::Options options;
  options.threads = threadsFromEnvironment();
  options.cacheFolder = folder;
  return std::make_shared<Engine>(options);
}

/// Guarded by the interpreter's lock, and never destroyed.
static std::shared_ptr<Engine> &currentEngine() {
  static std::shared_ptr<Engine> &engine = *new std::shared_ptr<Engine>;
  return engine;
}

static std::shared_ptr<Engine> engine() {
  if (!currentEngine())
    currentEngine() = makeEngine("");
  return currentEngine();
}

void keops::python::restart(const std::string &folder) {
  // Kernels hold what they need of the engine that made them. The old one is left alone: its threads may be at work.
  static std::vector<std::shared_ptr<Engine>> &former = *new std::vector<std::shared_ptr<Engine>>;
  std::shared_ptr<Engine> made = makeEngine(folder);
  if (currentEngine())
    former.push_back(currentEngine());
  currentEngine() = made;
}

std::string keops::python::cacheFolder() { return engine()->cacheFolder(); }

int keops::python::countGPUs() {
  try {
    return engine()->countGPUs();
  } catch (const Error &) {
    return 0;
  }
}

Kernel keops::python::compile(const std::vector<Reduction> &reductions, DType type, Sums sums, Precision precision,
                              const std::string &target) {
  std::shared_ptr<Engine> engine = ::engine();
  nb::gil_scoped_release release;
  // Given back before the interpreter's lock is taken: a fork holds the latter while it waits for us.
  std::shared_lock<std::shared_mutex> lock(compilations());
  CompileOptions options;
  options.sums = sums;
  if (!target.empty()) {
    options.target = target;
    options.precision = precision;
  }
  return engine->compile(reductions, type, options);
}

void keops::python::prepare(const Kernel &kernel, const std::vector<ConstArray> &inputs, const Ranges *ranges) {
  nb::gil_scoped_release release;
  std::shared_lock<std::shared_mutex> lock(compilations());
  kernel.prepare(inputs, ranges);
}
