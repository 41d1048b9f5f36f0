//===- CudaDouble.h - A CUDA driver that keeps accounts --------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A library with the driver's name and those of its functions that Keops uses.
// Its devices are memory of the host; it notes every call, every allocation and
// every launch, and fails where it is told to. Kernels run if somebody says how.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_CUDADOUBLE_H
#define KEOPS_TEST_CUDADOUBLE_H

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace keops::test {

/// How the double behaves from now on. Programs that are started with it read
/// the same from the environment, KEOPS_CUDA_DOUBLE="devices=2,memory=1000000".
struct DoubleSettings {
  int version = 12040;
  int devices = 2;
  int capability = 90;
  int multiprocessors = 132;
  int64_t memory = int64_t(1) << 30; ///< bytes of each device
  int sharedBytes = 232448;          ///< of one block, at most
  int registersFor = 1024;           ///< threads of a block that registers suffice for
  int staticShared = 4096;           ///< bytes that each function declares
};

struct DoubleLaunch {
  std::string function;
  unsigned grid[3] = {0, 0, 0};
  unsigned block[3] = {0, 0, 0};
  unsigned shared = 0;
  void *stream = nullptr;
};

/// What a kernel may touch.
struct DoubleMemory {
  void *data = nullptr;
  int64_t bytes = 0;
};

/// Runs a function of the module that was made from `ptx`; returns false if it fails.
struct DoubleRunner {
  virtual ~DoubleRunner() = default;
  virtual bool run(const std::string &ptx, const DoubleLaunch &launch, void **parameters,
                   const std::vector<DoubleMemory> &memory) = 0;
};

/// The double's own door, found under the name `keops_cuda_double`.
struct CudaDouble {
  virtual ~CudaDouble() = default;

  /// Forgets everything: settings, accounts, failures, memory.
  virtual void reset() = 0;
  virtual DoubleSettings &settings() = 0;
  virtual void setRunner(DoubleRunner *runner) = 0;
  /// The call of `function` after `after` others returns `result` once; with `times`, that many.
  virtual void failCall(const std::string &function, int result, int after = 0, int times = 1) = 0;
  /// From now on `stream` is being captured, or no longer.
  virtual void capture(void *stream, bool isCapturing) = 0;

  /// Memory of a device that the test owns.
  virtual void *allocate(int device, int64_t bytes) = 0;
  virtual void free(void *memory) = 0;

  // Accounts.
  virtual std::vector<std::string> &calls() = 0; ///< names of functions, in order
  virtual std::vector<DoubleLaunch> &launches() = 0;
  virtual int64_t liveBytes() = 0; ///< those of the test not counted
  virtual int64_t peakBytes() = 0;
  /// "2 allocations, 1 module": what was taken and not given back; empty if nothing.
  virtual std::string leaks() = 0;
  /// Sentences about calls that a driver would not forgive: double frees, memory that is not there, no context.
  virtual std::vector<std::string> &faults() = 0;
};

} // namespace keops::test

extern "C" keops::test::CudaDouble *keops_cuda_double();

#endif // KEOPS_TEST_CUDADOUBLE_H
