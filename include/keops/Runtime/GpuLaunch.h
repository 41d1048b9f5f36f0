//===- GpuLaunch.h - How a kernel is launched on a GPU ---------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a GPU kernel is given beside the arrays depends on sizes, strides, ranges
// and what the device is, and not on where the arrays lie or what else the device
// does. So a plan is made once for many calls, the same plan is carried out by a
// device and by the simulator, and a result is the same bit for bit whenever it
// is computed on devices of one kind.
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

/// What a plan asks of a device.
struct GpuFacts {
  /// Those that blocks are to keep busy; with none, columns are never split over blocks.
  int64_t multiprocessors = 0;
  /// Columns of a part, if they are not to be chosen.
  int64_t columnsOfPart = 0;
  /// Memory that states may take where columns are split, and lists of what is scattered where there are batches.
  int64_t stateBytes = int64_t(256) << 20;
  // Blocks of a launch along both axes of the grid, at most; more become several launches.
  int64_t gridX = 0x7fffffff;
  int64_t gridY = 0xffff;
};

/// Those of a device of so many multiprocessors and so much memory.
GpuFacts gpuFactsOf(int64_t multiprocessors, int64_t deviceBytes);

/// Columns [begin, end) of a call that sees its columns one window after the other, in this order and all of them. What
/// is known of a row lies in the scratch memory from one window to the next; the last one gives results. Column arrays
/// are addressed as if all of them were there.
struct ColumnWindow {
  int64_t begin = 0;
  int64_t end = 0;
};

/// The addresses in `call` are not looked at; where it has a first row that is not 0, those of arrays with rows are to
/// be where row 0 would lie, and there is one batch.
GpuPlan planGpuLaunch(const LaunchRule &rule, const CpuCall &call, const GpuFacts &facts = {},
                      const ColumnWindow *window = nullptr);

/// Columns of a part, where `columns` of them for `blocks` blocks of rows are split over blocks: as many as leave the
/// busiest multiprocessor the least to do. `columns` if it is best to split nothing.
int64_t columnsOfPart(const LaunchRule &rule, int64_t blocks, int64_t columns, const GpuFacts &facts);

/// Batches of a call.
int64_t batchesOf(const CpuCall &call);

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_GPULAUNCH_H
