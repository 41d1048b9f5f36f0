//===- CudaDriver.cpp - The CUDA driver, found at run time -----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A function that is missing says that the driver is older than the functions
// that we use, whatever version it states.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/CudaDriver.h"

#include <type_traits>

#include <dlfcn.h>

using namespace keops::runtime;

/// 11040 as "11.4".
static std::string versionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

static DeviceError tooOld(const std::string &found) {
  return DeviceError("the CUDA driver is too old: expected one for CUDA " + versionText(CudaDriver::oldestVersion) +
                     " or newer, got " + found);
}

std::shared_ptr<const CudaDriver> CudaDriver::open(const std::string &library) {
  std::shared_ptr<CudaDriver> driver(new CudaDriver);
  // Never closed: the driver has threads of its own.
  void *handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    const char *reason = dlerror();
    throw DeviceError("no CUDA driver: expected the library " + library + ", which comes with NVIDIA's driver; " +
                      (reason ? reason : "it cannot be opened"));
  }
  cuda::Functions &functions = driver->functions;
  auto find = [&](auto &function, const char *name) {
    void *address = dlsym(handle, name);
    function = reinterpret_cast<std::decay_t<decltype(function)>>(address);
    return address != nullptr;
  };
  // Asked first: a driver that lacks other functions can still tell its age.
  if (find(functions.cuDriverGetVersion, "cuDriverGetVersion") &&
      functions.cuDriverGetVersion(&driver->driverVersion) == cuda::Success && driver->driverVersion < oldestVersion)
    throw tooOld("one for CUDA " + versionText(driver->driverVersion));
  const char *missing = nullptr;
#define KEOPS_CUDA_FIND(name, parameters)                                                                              \
  if (!find(functions.name, #name))                                                                                    \
    missing = #name;
  KEOPS_CUDA_FUNCTIONS(KEOPS_CUDA_FIND)
#undef KEOPS_CUDA_FIND
  if (missing)
    throw tooOld("one without the function " + std::string(missing));

  cuda::Result result = functions.cuInit(0);
  if (result == cuda::Success)
    result = functions.cuDeviceGetCount(&driver->devices);
  if (result == cuda::NoDevice || (result == cuda::Success && driver->devices == 0))
    throw DeviceError("no CUDA device: expected at least one, but the driver finds none that this process may see");
  driver->check(result, "starting the CUDA driver");
  return driver;
}

std::string CudaDriver::describe(cuda::Result result) const {
  const char *name = nullptr, *text = nullptr;
  if (functions.cuGetErrorName(result, &name) != cuda::Success || !name)
    return "error " + std::to_string(result);
  if (functions.cuGetErrorString(result, &text) != cuda::Success || !text)
    return name;
  return std::string(text) + " (" + name + ")";
}

void CudaDriver::fail(cuda::Result result, const char *what) const {
  std::string message = std::string(what) + " failed: " + describe(result);
  if (result == cuda::NotInitialized)
    message += "; a process that was forked from one that used a GPU cannot use it: start it anew";
  throw DeviceError(message);
}
