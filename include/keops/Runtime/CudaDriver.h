//===- CudaDriver.h - The CUDA driver, found at run time -------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One program runs on machines with and without a GPU, and is built on either:
// the driver's library is opened when a GPU is asked for, and its functions are
// declared here, in types of the same size as those of CUDA's own header.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_CUDADRIVER_H
#define KEOPS_RUNTIME_CUDADRIVER_H

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

namespace keops::runtime {

/// What a device or its driver refuses, in a sentence.
class DeviceError : public std::runtime_error {
public:
  using std::runtime_error::runtime_error;
};

namespace cuda {

using Result = int;
using Device = int;
using Address = uint64_t; ///< in a device's memory
using Context = struct ContextTag *;
using Module = struct ModuleTag *;
using Function = struct FunctionTag *;
using Stream = struct StreamTag *; ///< null: the stream that waits for all others
using MemoryPool = struct MemoryPoolTag *;
using Linker = struct LinkerTag *;

// Numbers of the driver's interface that are used.
inline constexpr Result Success = 0, OutOfMemory = 2, NotInitialized = 3, NoDevice = 100;
enum DeviceAttribute : int {
  MultiprocessorCount = 16,
  MaxSharedBytesPerBlock = 97, ///< with a function's consent
  ComputeCapabilityMajor = 75,
  ComputeCapabilityMinor = 76,
  MemoryPoolsSupported = 115,
};
enum FunctionAttribute : int { MaxThreads = 0, StaticSharedBytes = 1, MaxDynamicSharedBytes = 8 };
enum PointerAttribute : int { MemoryType = 2, DeviceOrdinal = 9 };
inline constexpr unsigned MemoryIsDevice = 2;
inline constexpr int LinkInputPTX = 1, LinkErrorLog = 5, LinkErrorLogBytes = 6;
inline constexpr int PoolReleaseThreshold = 4;
inline constexpr unsigned StreamNonBlocking = 1;

/// Which memory a pool hands out.
struct PoolProperties {
  int allocationType = 1; ///< pinned on the device
  int handleTypes = 0;
  int locationType = 1; ///< a device …
  int locationId = 0;   ///< … of this number
  void *securityAttributes = nullptr;
  size_t maxSize = 0;
  unsigned char reserved[56] = {};
};

// The functions that are used, each with its parameters. Where the interface has
// versions of one, the name says which.
#define KEOPS_CUDA_FUNCTIONS(F)                                                                                        \
  F(cuInit, (unsigned))                                                                                                \
  F(cuDriverGetVersion, (int *))                                                                                       \
  F(cuGetErrorName, (Result, const char **))                                                                           \
  F(cuGetErrorString, (Result, const char **))                                                                         \
  F(cuDeviceGetCount, (int *))                                                                                         \
  F(cuDeviceGet, (Device *, int))                                                                                      \
  F(cuDeviceGetName, (char *, int, Device))                                                                            \
  F(cuDeviceGetAttribute, (int *, int, Device))                                                                        \
  F(cuDevicePrimaryCtxRetain, (Context *, Device))                                                                     \
  F(cuDevicePrimaryCtxRelease_v2, (Device))                                                                            \
  F(cuCtxPushCurrent_v2, (Context))                                                                                    \
  F(cuCtxPopCurrent_v2, (Context *))                                                                                   \
  F(cuCtxSynchronize, ())                                                                                              \
  F(cuModuleLoadData, (Module *, const void *))                                                                        \
  F(cuModuleUnload, (Module))                                                                                          \
  F(cuModuleGetFunction, (Function *, Module, const char *))                                                           \
  F(cuFuncGetAttribute, (int *, int, Function))                                                                        \
  F(cuFuncSetAttribute, (Function, int, int))                                                                          \
  F(cuLinkCreate_v2, (unsigned, int *, void **, Linker *))                                                             \
  F(cuLinkAddData_v2, (Linker, int, void *, size_t, const char *, unsigned, int *, void **))                           \
  F(cuLinkComplete, (Linker, void **, size_t *))                                                                       \
  F(cuLinkDestroy, (Linker))                                                                                           \
  F(cuMemGetInfo_v2, (size_t *, size_t *))                                                                             \
  F(cuMemAlloc_v2, (Address *, size_t))                                                                                \
  F(cuMemFree_v2, (Address))                                                                                           \
  F(cuMemPoolCreate, (MemoryPool *, const PoolProperties *))                                                           \
  F(cuMemPoolDestroy, (MemoryPool))                                                                                    \
  F(cuMemPoolSetAttribute, (MemoryPool, int, void *))                                                                  \
  F(cuMemPoolTrimTo, (MemoryPool, size_t))                                                                             \
  F(cuMemAllocFromPoolAsync, (Address *, size_t, MemoryPool, Stream))                                                  \
  F(cuMemFreeAsync, (Address, Stream))                                                                                 \
  F(cuMemcpyHtoDAsync_v2, (Address, const void *, size_t, Stream))                                                     \
  F(cuMemcpyDtoHAsync_v2, (void *, Address, size_t, Stream))                                                           \
  F(cuStreamCreate, (Stream *, unsigned))                                                                              \
  F(cuStreamDestroy_v2, (Stream))                                                                                      \
  F(cuStreamSynchronize, (Stream))                                                                                     \
  F(cuStreamIsCapturing, (Stream, int *))                                                                              \
  F(cuPointerGetAttribute, (void *, int, Address))                                                                     \
  F(cuLaunchKernel,                                                                                                    \
    (Function, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, unsigned, Stream, void **, void **))

/// The addresses of the driver's functions.
struct Functions {
#define KEOPS_CUDA_MEMBER(name, parameters) Result(*name) parameters = nullptr;
  KEOPS_CUDA_FUNCTIONS(KEOPS_CUDA_MEMBER)
#undef KEOPS_CUDA_MEMBER
};

} // namespace cuda

/// The open library. Functions may be called from any thread.
class CudaDriver {
public:
  /// The name under which systems install the driver.
  static constexpr const char *libraryName = "libcuda.so.1";
  /// CUDA 11.4: the first driver whose memory pools and stream capture suffice.
  static constexpr int oldestVersion = 11040;

  /// Opens and initialises `library`. Throws DeviceError if there is none, if it
  /// is too old, or if it finds no device.
  static std::shared_ptr<const CudaDriver> open(const std::string &library = libraryName);
  CudaDriver(const CudaDriver &) = delete;
  CudaDriver &operator=(const CudaDriver &) = delete;

  /// Devices that this process may see.
  int deviceCount() const { return devices; }
  /// As the driver gives it: 12040 is CUDA 12.4.
  int version() const { return driverVersion; }

  /// "out of memory (CUDA_ERROR_OUT_OF_MEMORY)".
  std::string describe(cuda::Result result) const;
  /// Throws DeviceError if `result` is a failure: "<what> failed: <description>", and what to do about it if that is
  /// known.
  void check(cuda::Result result, const char *what) const {
    if (result != cuda::Success)
      fail(result, what);
  }
  [[noreturn]] void fail(cuda::Result result, const char *what) const;

  const cuda::Functions &call() const { return functions; }

private:
  CudaDriver() = default;

  cuda::Functions functions;
  int driverVersion = 0;
  int devices = 0;
};

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_CUDADRIVER_H
