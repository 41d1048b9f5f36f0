//===- CudaKernel.cpp - Kernels on the GPUs of this machine -----*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The driver is opened, and a device with it, when a kernel is first compiled
// for one. What the runtime refuses becomes the error of the C++ door.
//
//===----------------------------------------------------------------------===//

#include "KernelImpl.h"

using namespace keops;

/// The names of GPUs among targets.
static constexpr llvm::StringLiteral kCuda = "cuda";

/// Runs `action`; its refusals become errors for the user.
template <typename Action>
static auto translated(Action action) {
  try {
    return action();
  } catch (const runtime::DeviceError &error) {
    throw Error(error.what());
  }
}

std::optional<int> keops::gpuNumberOf(llvm::StringRef target) {
  llvm::StringRef rest = target;
  if (!rest.consume_front(kCuda))
    return std::nullopt;
  int number = 0;
  if (!rest.empty() && (!rest.consume_front(":") || rest.getAsInteger(10, number) || number < 0))
    throw Error("expected the target 'cuda', or 'cuda:1' for the second GPU, got '" + target.str() + "'");
  return number;
}

//===----------------------------------------------------------------------===//
// Devices
//===----------------------------------------------------------------------===//

const runtime::CudaDriver &Core::driver() {
  std::lock_guard<std::mutex> lock(deviceMutex);
  if (!cudaDriver)
    cudaDriver = translated([&] { return runtime::CudaDriver::open(cudaLibrary); });
  return *cudaDriver;
}

std::shared_ptr<const runtime::CudaDevice> Core::device(int number) {
  driver();
  std::lock_guard<std::mutex> lock(deviceMutex);
  for (const auto &device : devices)
    if (device->number() == number)
      return device;
  devices.push_back(translated([&] { return std::make_shared<const runtime::CudaDevice>(cudaDriver, number); }));
  return devices.back();
}

//===----------------------------------------------------------------------===//
// Kernels
//===----------------------------------------------------------------------===//

void Kernel::Impl::loadOnDevice() {
  cuda = translated([&] { return std::make_unique<runtime::CudaModule>(device, many.artifact, core->disk); });
}

void Kernel::Impl::runOnDevice(const runtime::CpuCall &call) {
  translated([&] { cuda->run(call, core->pool); });
}

void Kernel::Impl::enqueue(const runtime::CpuCall &call, void *stream) {
  auto queue = static_cast<runtime::cuda::Stream>(stream);
  translated([&] { cuda->enqueue(call, queue); });
  if (!call.progress)
    return;
  translated([&] {
    runtime::CurrentDevice current(*device);
    device->driver().check(device->call().cuStreamSynchronize(queue), "running kernels");
  });
  (*call.progress)(1);
}

void Kernel::Impl::checkPlaces(const std::vector<Array> &outputs, const std::vector<ConstArray> &inputs) const {
  if (!device)
    throw Error("expected a kernel for a GPU, with target 'cuda', got one for '" + target + "'");
  translated([&] {
    runtime::CurrentDevice current(*device);
    for (size_t n = 0; n < inputs.size(); ++n)
      if (inputs[n].rows > 0)
        device->checkAddress(inputs[n].data, nameOf(n));
    for (size_t n = 0; n < outputs.size(); ++n)
      if (outputs[n].rows > 0)
        device->checkAddress(outputs[n].data, "result " + std::to_string(n));
  });
}
