//===- Ranges.h - Which pairs a block-sparse reduction takes ---------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A block-sparse reduction names, for each cluster of rows of the result, the
// intervals that are reduced. Both the engine's users and the runtime speak of
// them in these terms.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_RUNTIME_RANGES_H
#define KEOPS_RUNTIME_RANGES_H

#include <cstdint>

namespace keops::runtime {

/// Half-open intervals that the caller owns. Cluster k has rows
/// [rows[2k], rows[2k+1]) of the result, which are reduced over the intervals
/// of `columns` numbered slices[k−1] (0 for the first cluster) to slices[k]−1;
/// interval l is [columns[2l], columns[2l+1]). No row is in two clusters; a row
/// of none is reduced over nothing. A column that lies in two intervals of a
/// cluster counts twice.
struct Ranges {
  const int64_t *rows = nullptr;
  const int64_t *slices = nullptr;
  int64_t clusters = 0;
  const int64_t *columns = nullptr;
  int64_t intervals = 0;
};

} // namespace keops::runtime

#endif // KEOPS_RUNTIME_RANGES_H
