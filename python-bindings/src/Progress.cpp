//===- Progress.cpp - Watching long calls -----------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Calls tell after each task, thousands of times a second; the interpreter's
// lock is taken for a few of them.
//
//===----------------------------------------------------------------------===//

#include "Progress.h"

#include <chrono>
#include <exception>

using namespace keops;
namespace nb = nanobind;

static thread_local const Progress *watcher = nullptr;

const Progress *keops::python::watcherOfThisThread() { return watcher; }

nb::object keops::python::watch(nb::object callback, nb::object function) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds interval(50);
  Clock::time_point next = Clock::now() + interval;
  std::exception_ptr failure;
  Progress tell = [&](double part) {
    Clock::time_point now = Clock::now();
    if (now < next || failure)
      return;
    next = now + interval;
    nb::gil_scoped_acquire acquire;
    try {
      callback(part);
    } catch (...) {
      // A kernel that runs cannot be left.
      failure = std::current_exception();
    }
  };
  struct Restore {
    const Progress *before = watcher;
    ~Restore() { watcher = before; }
  } restore;
  watcher = &tell;
  nb::object result = function();
  if (failure)
    std::rethrow_exception(failure);
  return result;
}
