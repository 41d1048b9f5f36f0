//===- Program.h - Runs the steps of a program -----------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Steps run one after the other, each on all threads. Where kernels run is for
// the caller to say; what moves rows and has none is done here.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_PROGRAM_H
#define KEOPS_RUNTIME_PROGRAM_H

#include "keops/Runtime/CpuDevice.h"

#include <functional>

namespace keops::runtime {

/// Launches the kernel of a step.
using KernelLauncher = std::function<void(const Step &step, const CpuCall &call)>;

/// Computes all outputs of a program; the fields of `call` mean what they mean
/// for a kernel with its arguments, results and axes. Results are the same for
/// any number of threads. Throws std::bad_alloc as `launch` does.
void runProgram(const Artifact &artifact, const CpuCall &call, const KernelLauncher &launcher, ThreadPool &pool);

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_PROGRAM_H
