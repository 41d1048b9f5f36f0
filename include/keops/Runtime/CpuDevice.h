//===- CpuDevice.h - Launches kernels on the processor ---------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A launch cuts rows × columns into tasks and shares them among threads. The
// cut depends on the sizes and the artifact alone, so a result is the same bit
// for bit whatever the number of threads.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_CPUDEVICE_H
#define KEOPS_RUNTIME_CPUDEVICE_H

#include "keops/Runtime/Artifact.h"

namespace keops::runtime {

class CpuModule;
class ThreadPool;

/// The arrays and sizes of one launch; the fields mean what they mean in
/// `KernelFrame`. Everything was checked before: arrays hold as many rows as
/// said here, and outputs overlap nothing.
struct CpuCall {
  const void *const *inputs = nullptr;
  const int64_t *rowStrides = nullptr;
  const int64_t *componentStrides = nullptr;
  void *const *outputs = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int threads = 1; ///< at most this many, at least one
};

/// How a launch is cut. Block b has rows [b·rowsPerBlock, (b+1)·rowsPerBlock)
/// and split s has columns [s·columnsPerSplit, (s+1)·columnsPerSplit), both cut
/// at the end; each pair (b, s) is a task. There is always at least one split,
/// which is empty if there are no columns.
struct CpuPlan {
  int64_t rowsPerBlock = 0;
  int64_t blocks = 0;
  int64_t columnsPerSplit = 0;
  int64_t splits = 0;
  /// More threads than this would find too little work.
  int64_t usefulThreads = 0;
};
CpuPlan planLaunch(const Artifact &artifact, int64_t rows, int64_t columns);

/// Computes all rows of the outputs. May be called from several threads at
/// once. Throws std::bad_alloc if there is no memory to work in; outputs are
/// then incomplete.
void launch(const Artifact &artifact, const CpuModule &module, const CpuCall &call, ThreadPool &pool);

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_CPUDEVICE_H
