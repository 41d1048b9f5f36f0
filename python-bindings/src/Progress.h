//===- Progress.h - Watching long calls -------------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Between a program that wants to watch a call and the call may stand PyTorch,
// which passes tensors along and nothing else. So a watcher belongs to a thread
// for the time of a function, and to all calls that the thread makes meanwhile.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_PYTHON_PROGRESS_H
#define KEOPS_PYTHON_PROGRESS_H

#include "keops/Keops.h"

#include <nanobind/nanobind.h>

namespace keops::python {

/// The result of `function()`. Meanwhile `callback(part)` is told, now and then, which part of a call is done, from 0
/// to 1. What it raises is raised when the function has returned.
nanobind::object watch(nanobind::object callback, nanobind::object function);

/// Whom a call tells how far it is; null if nobody watches.
const Progress *watcherOfThisThread();

} // namespace keops::python

#endif // KEOPS_PYTHON_PROGRESS_H
