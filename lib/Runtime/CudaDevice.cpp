//===- CudaDevice.cpp - One GPU and its memory -----------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Destructors let failures pass: when a process ends, the driver may be gone
// before we are.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/CudaDevice.h"

using namespace keops::runtime;

/// The oldest architecture that we make code for.
static constexpr int oldestCapability = 70;

/// What the pool keeps for the next call instead of giving it back to the device.
static constexpr uint64_t keptBytes = uint64_t(256) << 20;

//===----------------------------------------------------------------------===//
// The device
//===----------------------------------------------------------------------===//

CudaDevice::CudaDevice(std::shared_ptr<const CudaDriver> driver, int number)
    : owner(std::move(driver)), ordinal(number) {
  if (number < 0 || number >= owner->deviceCount())
    throw DeviceError("no CUDA device " + std::to_string(number) + ": expected a number from 0 to " +
                      std::to_string(owner->deviceCount() - 1) + ", for the devices that this process may see");
  owner->check(call().cuDeviceGet(&device, number), "finding the CUDA device");
  char name[256] = "";
  owner->check(call().cuDeviceGetName(name, sizeof(name), device), "asking the CUDA device for its name");
  deviceTitle = "device " + std::to_string(number) + " (" + name + ")";
  auto attribute = [&](int which) {
    int value = 0;
    owner->check(call().cuDeviceGetAttribute(&value, which, device), "asking the CUDA device for its properties");
    return value;
  };
  computeCapability = 10 * attribute(cuda::ComputeCapabilityMajor) + attribute(cuda::ComputeCapabilityMinor);
  if (computeCapability < oldestCapability)
    throw DeviceError(deviceTitle + " is too old: expected compute capability 7.0 or newer, got " +
                      std::to_string(computeCapability / 10) + "." + std::to_string(computeCapability % 10));
  if (!attribute(cuda::MemoryPoolsSupported))
    throw DeviceError(deviceTitle + " has no memory pools, in which Keops works");
  sharedBytesPerBlock = attribute(cuda::MaxSharedBytesPerBlock);
  multiprocessorCount = attribute(cuda::MultiprocessorCount);

  owner->check(call().cuDevicePrimaryCtxRetain(&context, device), "taking the device's primary context");
  try {
    CurrentDevice current(*this);
    size_t free = 0, total = 0;
    owner->check(call().cuMemGetInfo_v2(&free, &total), "asking for the device's memory");
    memoryBytes = static_cast<int64_t>(total);
    cuda::PoolProperties properties;
    properties.locationId = device;
    owner->check(call().cuMemPoolCreate(&pool, &properties), "making a memory pool");
    uint64_t threshold = keptBytes;
    owner->check(call().cuMemPoolSetAttribute(pool, cuda::PoolReleaseThreshold, &threshold),
                 "setting up a memory pool");
  } catch (...) {
    if (pool)
      call().cuMemPoolDestroy(pool);
    call().cuDevicePrimaryCtxRelease_v2(device);
    throw;
  }
}

CudaDevice::~CudaDevice() {
  call().cuMemPoolDestroy(pool);
  call().cuDevicePrimaryCtxRelease_v2(device);
}

//===----------------------------------------------------------------------===//
// Memory
//===----------------------------------------------------------------------===//

cuda::Address CudaDevice::allocate(int64_t bytes, cuda::Stream stream) const {
  cuda::Address memory = 0;
  cuda::Result result = call().cuMemAllocFromPoolAsync(&memory, static_cast<size_t>(bytes), pool, stream);
  if (result != cuda::OutOfMemory) {
    owner->check(result, "allocating memory of the device");
    return memory;
  }
  size_t free = 0, total = 0;
  std::string found = call().cuMemGetInfo_v2(&free, &total) == cuda::Success
                          ? "; of " + std::to_string(total) + " bytes " + std::to_string(free) + " are free"
                          : std::string();
  throw OutOfDeviceMemory(deviceTitle + " is out of memory: a call needs " + std::to_string(bytes) + " bytes more" +
                          found);
}

void CudaDevice::release(cuda::Address memory, cuda::Stream stream) const { call().cuMemFreeAsync(memory, stream); }

int64_t CudaDevice::freeBytes() const {
  // What other calls use stays, what the pool keeps for later goes.
  owner->check(call().cuMemPoolTrimTo(pool, 0), "emptying the memory pool");
  size_t free = 0, total = 0;
  owner->check(call().cuMemGetInfo_v2(&free, &total), "asking for the device's free memory");
  return static_cast<int64_t>(free);
}

bool CudaDevice::isCapturing(cuda::Stream stream) const {
  int status = 0;
  owner->check(call().cuStreamIsCapturing(stream, &status), "asking whether the stream is being captured");
  return status != 0;
}

void CudaDevice::checkAddress(const void *address, const std::string &what) const {
  auto place = reinterpret_cast<cuda::Address>(address);
  unsigned type = 0;
  int found = -1;
  if (call().cuPointerGetAttribute(&type, cuda::MemoryType, place) != cuda::Success || type != cuda::MemoryIsDevice)
    throw DeviceError(what + ": expected memory of " + deviceTitle + ", got memory of the host");
  if (call().cuPointerGetAttribute(&found, cuda::DeviceOrdinal, place) == cuda::Success && found != ordinal)
    throw DeviceError(what + ": expected memory of " + deviceTitle + ", got memory of device " + std::to_string(found));
}

//===----------------------------------------------------------------------===//
// Contexts and streams
//===----------------------------------------------------------------------===//

CurrentDevice::CurrentDevice(const CudaDevice &device) : device(device) {
  device.driver().check(device.call().cuCtxPushCurrent_v2(device.context), "making the device current");
}

CurrentDevice::~CurrentDevice() {
  cuda::Context ours = nullptr;
  device.call().cuCtxPopCurrent_v2(&ours);
}

DeviceStream::DeviceStream(const CudaDevice &device) : device(device) {
  device.driver().check(device.call().cuStreamCreate(&stream, cuda::StreamNonBlocking), "making a stream");
}

DeviceStream::~DeviceStream() {
  device.call().cuStreamSynchronize(stream);
  device.call().cuStreamDestroy_v2(stream);
}

void DeviceStream::copyToDevice(cuda::Address to, const void *from, int64_t bytes) const {
  if (bytes > 0)
    device.driver().check(device.call().cuMemcpyHtoDAsync_v2(to, from, static_cast<size_t>(bytes), stream),
                          "copying to the device");
}

void DeviceStream::copyToHost(void *to, cuda::Address from, int64_t bytes) const {
  if (bytes > 0)
    device.driver().check(device.call().cuMemcpyDtoHAsync_v2(to, from, static_cast<size_t>(bytes), stream),
                          "copying from the device");
}

void DeviceStream::wait() const { device.driver().check(device.call().cuStreamSynchronize(stream), "running kernels"); }
