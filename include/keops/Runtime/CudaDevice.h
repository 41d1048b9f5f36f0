//===- CudaDevice.h - One GPU and its memory -------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A device is used through its primary context, which it shares with whatever
// else in the process uses CUDA, so that arrays of others can be read. Memory
// to work in comes from a pool of our own, in the order of a stream.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_CUDADEVICE_H
#define KEOPS_RUNTIME_CUDADEVICE_H

#include "keops/Runtime/CudaDriver.h"

namespace keops::runtime {

/// Memory that a device has not got now.
class OutOfDeviceMemory : public DeviceError {
public:
  using DeviceError::DeviceError;
};

class CudaDevice {
public:
  /// Opens device `number` of those that the driver shows. Throws DeviceError if there is no such device, or if kernels
  /// cannot run on it.
  CudaDevice(std::shared_ptr<const CudaDriver> driver, int number);
  ~CudaDevice();
  CudaDevice(const CudaDevice &) = delete;
  CudaDevice &operator=(const CudaDevice &) = delete;

  int number() const { return ordinal; }
  /// "device 0 (NVIDIA H200)".
  const std::string &title() const { return deviceTitle; }
  /// 90 for compute capability 9.0.
  int capability() const { return computeCapability; }
  /// Shared memory that one block may have.
  int64_t sharedBytes() const { return sharedBytesPerBlock; }
  int multiprocessors() const { return multiprocessorCount; }
  /// Memory of the device, free or not.
  int64_t totalBytes() const { return memoryBytes; }
  const CudaDriver &driver() const { return *owner; }
  const cuda::Functions &call() const { return owner->call(); }

  // What follows, and all else that names no device, wants the device to be current: see `CurrentDevice`.

  /// Memory from when all work that `stream` has now is done. Throws OutOfDeviceMemory.
  cuda::Address allocate(int64_t bytes, cuda::Stream stream) const;
  /// Gives it back when all work that `stream` has now is done.
  void release(cuda::Address memory, cuda::Stream stream) const;
  /// Bytes that could be allocated, after giving back what the pool keeps.
  int64_t freeBytes() const;
  /// True while calls on `stream` are recorded in a graph instead of being made.
  bool isCapturing(cuda::Stream stream) const;
  /// Throws DeviceError if `address` is no memory of this device: "<what>: expected …, got …".
  void checkAddress(const void *address, const std::string &what) const;

private:
  friend class CurrentDevice;

  std::shared_ptr<const CudaDriver> owner;
  int ordinal;
  int computeCapability = 0;
  int multiprocessorCount = 0;
  int64_t sharedBytesPerBlock = 0;
  int64_t memoryBytes = 0;
  std::string deviceTitle;
  cuda::Device device = 0;
  cuda::Context context = nullptr;
  cuda::MemoryPool pool = nullptr;
};

/// While this lives, the calling thread's calls mean the device. What was current before is so again afterwards.
class CurrentDevice {
public:
  explicit CurrentDevice(const CudaDevice &device);
  ~CurrentDevice();
  CurrentDevice(const CurrentDevice &) = delete;
  CurrentDevice &operator=(const CurrentDevice &) = delete;

private:
  const CudaDevice &device;
};

/// Memory in the order of a stream, for as long as this lives.
class DeviceMemory {
public:
  DeviceMemory(const CudaDevice &device, int64_t bytes, cuda::Stream stream)
      : device(device), stream(stream), start(bytes > 0 ? device.allocate(bytes, stream) : 0) {}
  DeviceMemory(DeviceMemory &&other) noexcept : device(other.device), stream(other.stream), start(other.start) {
    other.start = 0;
  }
  ~DeviceMemory() {
    if (start)
      device.release(start, stream);
  }

  cuda::Address address() const { return start; }
  char *pointer() const { return reinterpret_cast<char *>(start); }

private:
  const CudaDevice &device;
  cuda::Stream stream;
  cuda::Address start;
};

/// A stream of our own; waits for its work before it goes.
class DeviceStream {
public:
  explicit DeviceStream(const CudaDevice &device);
  ~DeviceStream();
  DeviceStream(const DeviceStream &) = delete;
  DeviceStream &operator=(const DeviceStream &) = delete;

  cuda::Stream get() const { return stream; }
  void copyToDevice(cuda::Address to, const void *from, int64_t bytes) const;
  void copyToHost(void *to, cuda::Address from, int64_t bytes) const;
  /// Returns when all work is done; throws DeviceError if some of it failed.
  void wait() const;

private:
  const CudaDevice &device;
  cuda::Stream stream = nullptr;
};

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_CUDADEVICE_H
