//===- signatures.cpp - Our declarations of the driver against CUDA's ------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiled where CUDA's header is: each function must take as many parameters
// as CUDA's own, of the same size and kind, and each number must be the same.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/CudaDriver.h"

#include <cuda.h>

#include <type_traits>

using namespace keops::runtime;

template <typename Ours, typename Theirs>
constexpr bool isSame = sizeof(Ours) == sizeof(Theirs) && std::is_pointer_v<Ours> == std::is_pointer_v<Theirs>;

template <typename Ours, typename Theirs>
struct SameFunction : std::false_type {};
template <typename R1, typename... Ours, typename R2, typename... Theirs>
struct SameFunction<R1 (*)(Ours...), R2 (*)(Theirs...)> {
  static constexpr bool value = [] {
    if constexpr (sizeof...(Ours) == sizeof...(Theirs))
      return (isSame<R1, R2> && ... && isSame<Ours, Theirs>);
    else
      return false;
  }();
};

#define KEOPS_CHECK(name, parameters)                                                                                  \
  static_assert(SameFunction<decltype(cuda::Functions::name), decltype(&::name)>::value, #name);
KEOPS_CUDA_FUNCTIONS(KEOPS_CHECK)

static_assert(cuda::OutOfMemory == CUDA_ERROR_OUT_OF_MEMORY && cuda::NotInitialized == CUDA_ERROR_NOT_INITIALIZED &&
              cuda::NoDevice == CUDA_ERROR_NO_DEVICE);
static_assert(cuda::MaxSharedBytesPerBlock == CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
static_assert(cuda::ComputeCapabilityMajor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
static_assert(cuda::ComputeCapabilityMinor == CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
static_assert(cuda::MemoryPoolsSupported == CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED);
static_assert(cuda::MaxThreads == CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK);
static_assert(cuda::StaticSharedBytes == CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES);
static_assert(cuda::MaxDynamicSharedBytes == CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES);
static_assert(cuda::MemoryType == CU_POINTER_ATTRIBUTE_MEMORY_TYPE);
static_assert(cuda::DeviceOrdinal == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL);
static_assert(cuda::MemoryIsDevice == CU_MEMORYTYPE_DEVICE);
static_assert(cuda::LinkInputPTX == CU_JIT_INPUT_PTX && cuda::LinkErrorLog == CU_JIT_ERROR_LOG_BUFFER &&
              cuda::LinkErrorLogBytes == CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES);
static_assert(cuda::PoolReleaseThreshold == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD);
static_assert(cuda::StreamNonBlocking == CU_STREAM_NON_BLOCKING);
static_assert(sizeof(cuda::PoolProperties) == sizeof(CUmemPoolProps) &&
              offsetof(cuda::PoolProperties, locationType) == offsetof(CUmemPoolProps, location) &&
              offsetof(cuda::PoolProperties, maxSize) == offsetof(CUmemPoolProps, maxSize));
static_assert(CU_MEM_ALLOCATION_TYPE_PINNED == 1 && CU_MEM_LOCATION_TYPE_DEVICE == 1 && CU_MEM_HANDLE_TYPE_NONE == 0);
