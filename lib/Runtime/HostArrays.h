//===- HostArrays.h - Arrays of the host on their way to a device ----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arrays with strides are sent without the gaps between their elements; what
// repeats along an axis is sent once.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_RUNTIME_HOSTARRAYS_H
#define KEOPS_LIB_RUNTIME_HOSTARRAYS_H

#include "keops/Runtime/CpuDevice.h"

#include <optional>
#include <vector>

namespace keops::runtime {

/// Some axes of elements in memory, outermost first.
struct HostArray {
  struct Axis {
    int64_t size = 1;
    int64_t stride = 0; ///< in elements
  };
  const char *data = nullptr;
  int64_t elementBytes = 4;
  std::vector<Axis> axes;

  /// The bytes of all elements that are not repeated.
  int64_t packedBytes() const;
  /// Strides of the elements without gaps, one for each axis; 0 where they are repeated or there is but one.
  std::vector<int64_t> packedStrides() const;
  /// True if the elements lie in memory as `packedStrides` says.
  bool isPacked() const;
  /// Writes them so.
  void pack(char *to) const;
};

/// Ranges of the rows [begin, end) of a call, numbered from `begin`.
class RangesOfRows {
public:
  RangesOfRows(const Ranges &ranges, int64_t begin, int64_t end);
  const Ranges *get() const { return &part; }

private:
  std::vector<int64_t> rows, slices, columns;
  Ranges part;
};

} // namespace keops::runtime

#endif // KEOPS_LIB_RUNTIME_HOSTARRAYS_H
