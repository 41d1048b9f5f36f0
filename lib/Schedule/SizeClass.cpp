//===- SizeClass.cpp - Which sizes want other code -------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The thresholds between classes.
//
//===----------------------------------------------------------------------===//

#include "keops/Schedule/SizeClass.h"

using namespace keops;

/// Up to this many rows leave so many lanes empty that columns fill them better, …
static constexpr int64_t kFewRows = 8;
/// … if there are so many for each row that merging lanes at its end costs little, …
static constexpr int64_t kColumnsPerRow = 32;
/// … and if all of them together are worth compiling another variant.
static constexpr int64_t kColumnsForVariant = 4096;

SizeClass keops::sizeClassOf(const CallSizes &sizes) {
  if (sizes.rows > kFewRows || sizes.columns < kColumnsPerRow * sizes.rows)
    return SizeClass::ManyRows;
  // In floating point: the product may not fit an integer.
  double columns = static_cast<double>(sizes.columns) * static_cast<double>(sizes.count);
  return columns < kColumnsForVariant ? SizeClass::ManyRows : SizeClass::FewRows;
}

int64_t keops::typicalRows(SizeClass sizes) { return sizes == SizeClass::FewRows ? 1 : 0; }
