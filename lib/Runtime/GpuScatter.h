//===- GpuScatter.h - How rows are scattered on a GPU ----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one kind of kernel that is several functions, with launches of its own.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_RUNTIME_GPUSCATTER_H
#define KEOPS_LIB_RUNTIME_GPUSCATTER_H

#include "keops/Runtime/GpuLaunch.h"

namespace keops::runtime {

/// The plan of a kernel whose rule has `scatterGroups`, for rows and batches that are not none.
GpuPlan planGpuScatter(const LaunchRule &rule, const CpuCall &call, const GpuFacts &facts);

/// For each batch and argument, the elements to the batch's first one.
std::vector<int64_t> batchOffsets(const CpuCall &call, size_t arguments, int64_t batches);

} // namespace keops::runtime

#endif // KEOPS_LIB_RUNTIME_GPUSCATTER_H
