//===- HostArrays.cpp - Arrays of the host on their way to a device --------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The innermost axes without gaps are copied in one go.
//
//===----------------------------------------------------------------------===//

#include "HostArrays.h"

#include <algorithm>
#include <cstring>

using namespace keops::runtime;

static bool isRepeated(const HostArray::Axis &axis) { return axis.stride == 0 || axis.size <= 1; }

int64_t HostArray::packedBytes() const {
  int64_t bytes = elementBytes;
  for (const Axis &axis : axes)
    bytes *= axis.size == 0 ? 0 : isRepeated(axis) ? 1 : axis.size;
  return bytes;
}

std::vector<int64_t> HostArray::packedStrides() const {
  std::vector<int64_t> strides(axes.size(), 0);
  int64_t next = 1;
  for (size_t n = axes.size(); n-- > 0;) {
    if (isRepeated(axes[n]))
      continue;
    strides[n] = next;
    next *= axes[n].size;
  }
  return strides;
}

bool HostArray::isPacked() const {
  std::vector<int64_t> strides = packedStrides();
  for (size_t n = 0; n < axes.size(); ++n)
    if (!isRepeated(axes[n]) && axes[n].stride != strides[n])
      return false;
  return true;
}

void HostArray::pack(char *to) const {
  if (packedBytes() == 0)
    return;
  std::vector<Axis> moving;
  for (const Axis &axis : axes)
    if (!isRepeated(axis))
      moving.push_back(axis);
  int64_t run = elementBytes;
  while (!moving.empty() && moving.back().stride * elementBytes == run) {
    run *= moving.back().size;
    moving.pop_back();
  }
  std::vector<int64_t> place(moving.size(), 0);
  const char *from = data;
  for (;;) {
    std::memcpy(to, from, static_cast<size_t>(run));
    to += run;
    size_t axis = moving.size();
    for (; axis-- > 0;) {
      from += moving[axis].stride * elementBytes;
      if (++place[axis] < moving[axis].size)
        break;
      from -= moving[axis].size * moving[axis].stride * elementBytes;
      place[axis] = 0;
    }
    if (axis == static_cast<size_t>(-1))
      return;
  }
}

RangesOfRows::RangesOfRows(const Ranges &ranges, int64_t begin, int64_t end) {
  for (int64_t cluster = 0; cluster < ranges.clusters; ++cluster) {
    int64_t first = std::max(ranges.rows[2 * cluster], begin), last = std::min(ranges.rows[2 * cluster + 1], end);
    if (first >= last)
      continue;
    int64_t slice = cluster == 0 ? 0 : ranges.slices[cluster - 1];
    rows.insert(rows.end(), {first - begin, last - begin});
    columns.insert(columns.end(), ranges.columns + 2 * slice, ranges.columns + 2 * ranges.slices[cluster]);
    slices.push_back(static_cast<int64_t>(columns.size()) / 2);
  }
  part = {rows.data(), slices.data(), static_cast<int64_t>(slices.size()), columns.data(),
          static_cast<int64_t>(columns.size()) / 2};
}
