//===- CpuDevice.h - Launches kernels on the processor ---------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A launch runs the tasks of a plan on the threads of a pool: those of each
// batch, with the addresses of that batch.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_CPUDEVICE_H
#define KEOPS_RUNTIME_CPUDEVICE_H

#include "keops/Runtime/CpuModule.h"
#include "keops/Runtime/Ranges.h"

#include <functional>

namespace keops::runtime {

class ThreadPool;

/// The arrays and sizes of one launch; the fields mean what they mean in
/// `KernelFrame`, those of the first batch. Everything was checked before:
/// arrays hold as many rows as said here, and outputs overlap nothing.
struct CpuCall {
  const void *const *inputs = nullptr;
  const int64_t *rowStrides = nullptr;
  const int64_t *componentStrides = nullptr;
  void *const *outputs = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  /// Of a piece of a larger call, on a GPU: the number of its first row there, for formulas that read row numbers.
  int64_t firstRow = 0;
  int threads = 1; ///< at most this many, at least one
  /// The pairs that count in each batch; null for all of them.
  const Ranges *ranges = nullptr;
  /// Axes of batches, outermost first: their sizes, and strides in elements
  /// at [argument · batchAxes + axis]. Outputs hold batch after batch.
  int64_t batchAxes = 0;
  const int64_t *batchSizes = nullptr;
  const int64_t *batchStrides = nullptr;
  /// Told the part of the launch's tasks that are done, by the caller's thread after each of its own; of a call that
  /// goes through a GPU the part of its pairs, after each piece. Null for nobody.
  const std::function<void(double)> *progress = nullptr;
};

/// Computes all rows of the outputs of one kernel. May be called from several
/// threads at once. Throws std::bad_alloc if there is no memory to work in;
/// outputs are then incomplete.
void launch(const LaunchRule &rule, const CpuModule::Entries &code, const CpuCall &call, ThreadPool &pool);

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_CPUDEVICE_H
