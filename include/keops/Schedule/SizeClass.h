//===- SizeClass.h - Which sizes want other code ---------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One schedule does not suit all sizes. Sizes fall into classes, each with code
// of its own; which class is a pure function of the sizes.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_SCHEDULE_SIZECLASS_H
#define KEOPS_SCHEDULE_SIZECLASS_H

#include <cstdint>

namespace keops {

/// What a call computes: `count` times (batches, clusters) a few rows that are
/// reduced over the same columns.
struct CallSizes {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t count = 1;
};

enum class SizeClass {
  ManyRows, ///< rows run over lanes
  FewRows   ///< columns do, because rows would leave lanes empty
};
SizeClass sizeClassOf(const CallSizes &sizes);

/// How the compiler is told of the class: its option `rows`.
int64_t typicalRows(SizeClass sizes);

} // namespace keops

#endif // KEOPS_SCHEDULE_SIZECLASS_H
