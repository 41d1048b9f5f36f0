//===- CudaModule.h - An artifact's code on a GPU --------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Code loaded on one device, and the plans of launches that it has met: a call
// of sizes, strides and ranges that came before waits for nothing, allocates no
// table and copies nothing, and so can be recorded in a graph.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_CUDAMODULE_H
#define KEOPS_RUNTIME_CUDAMODULE_H

#include "keops/Runtime/CpuDevice.h"
#include "keops/Runtime/CudaDevice.h"
#include "keops/Runtime/GpuLaunch.h"

#include <memory>

namespace keops::runtime {

class DiskCache;

class CudaModule {
public:
  /// Loads the code of `artifact`, which is PTX and must outlive this. What the
  /// driver has made of it once is kept in `disk`; if the driver does not take
  /// that, it is made anew. Throws DeviceError.
  CudaModule(std::shared_ptr<const CudaDevice> device, const Artifact &artifact, DiskCache &disk);
  ~CudaModule();
  CudaModule(const CudaModule &) = delete;
  CudaModule &operator=(const CudaModule &) = delete;

  const CudaDevice &device() const;
  const Artifact &artifact() const;

  /// Queues what computes all outputs on `stream`. The addresses in `call` are
  /// those of the device. May be called from several threads at once. Throws
  /// DeviceError, which names the kernel; OutOfDeviceMemory among others. While
  /// `stream` is being captured, the same call must have been made before; the
  /// module must then live as long as the graph.
  void enqueue(const CpuCall &call, cuda::Stream stream);
  /// The same for one of the kernels, with its own arguments and results.
  void enqueueKernel(int64_t kernel, const CpuCall &call, cuda::Stream stream);

  /// Queues what a window of the columns adds to the outputs of a call of one of the kernels; the last window gives
  /// them. `scratch` is memory of the device, the same for all windows, of as many bytes as `windowBytes` says for any.
  void enqueueWindow(int64_t kernel, const CpuCall &call, const ColumnWindow &window, cuda::Address scratch,
                     cuda::Stream stream);
  int64_t windowBytes(int64_t kernel, const CpuCall &call, const ColumnWindow &window) const;

  /// Computes with arrays of the host, and returns when the outputs are there.
  /// Arrays that do not fit on the device together go through it by batches, by
  /// blocks of rows, and if need be by windows of columns; those of a program in
  /// each of its steps, with what steps leave for each other in memory of the
  /// host, where `pool` then moves rows. Throws std::bad_alloc if there is none.
  void run(const CpuCall &call, ThreadPool &pool);

private:
  struct Impl;
  std::unique_ptr<Impl> impl;
};

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_CUDAMODULE_H
