//===- TransposedRanges.h - The same pairs, seen from the columns ----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A program may reduce over the other index, with the pairs that the caller
// named for one.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_RUNTIME_TRANSPOSEDRANGES_H
#define KEOPS_LIB_RUNTIME_TRANSPOSEDRANGES_H

#include "keops/Runtime/Ranges.h"

#include <vector>

namespace keops::runtime {

/// Ranges whose clusters are of columns: each pair counts as often as in `ranges`.
class TransposedRanges {
public:
  explicit TransposedRanges(const Ranges &ranges);
  const Ranges *get() const { return &transposed; }

private:
  std::vector<int64_t> clusters, slices, intervals;
  Ranges transposed;
};

} // namespace keops::runtime

#endif // KEOPS_LIB_RUNTIME_TRANSPOSEDRANGES_H
