//===- GpuLaunch.h - How a kernel is launched on a GPU ---------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a GPU kernel is given beside the arrays depends on sizes, strides and
// ranges, and not on where the arrays lie. So a plan is made once for many calls,
// and the same plan is carried out by a device and by the simulator.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_GPULAUNCH_H
#define KEOPS_RUNTIME_GPULAUNCH_H

#include "keops/Runtime/CpuDevice.h"

#include <array>
#include <string>
#include <vector>

namespace keops::runtime {

/// One parameter of a kernel: a number, or an address in memory that the call
/// or the plan brings. All are of 64 bits.
struct GpuParameter {
  enum class Kind : uint8_t { Input, Output, Table, Scratch, Integer };
  Kind kind = Kind::Integer;
  int64_t number = 0; ///< of the input, output or table
  int64_t value = 0;  ///< the integer, or bytes beyond the beginning
};

struct GpuLaunch {
  std::string entry; ///< the function's symbol
  std::array<int64_t, 2> grid = {1, 1};
  int64_t threads = 1;     ///< of a block
  int64_t sharedBytes = 0; ///< beside what the function itself declares
  std::vector<GpuParameter> parameters;
};

struct GpuPlan {
  /// Launches read these and write nothing there.
  std::vector<std::vector<int64_t>> tables;
  /// Memory that launches leave results in for each other.
  int64_t scratchBytes = 0;
  std::vector<GpuLaunch> launches; ///< in this order; none for no rows or no batches
};

/// Blocks of a launch along both axes of the grid, at most; more become several launches.
struct GpuGridLimits {
  int64_t x = 0x7fffffff;
  int64_t y = 0xffff;
};

/// The addresses in `call` are not looked at.
GpuPlan planGpuLaunch(const LaunchRule &rule, const CpuCall &call, const GpuGridLimits &limits = {});

/// Batches of a call.
int64_t batchesOf(const CpuCall &call);

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_GPULAUNCH_H
