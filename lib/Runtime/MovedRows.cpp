//===- MovedRows.cpp - Rows of arrays by number ----------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gathering is independent for each row. To add what is scattered, the row
// numbers are first sorted by counting, which keeps equal ones in their order;
// then each row is summed by one thread, in that order, whatever their number.
//
//===----------------------------------------------------------------------===//

#include "MovedRows.h"

#include "keops/Runtime/Element.h"
#include "keops/Runtime/ThreadPool.h"

#include <algorithm>
#include <cstring>
#include <vector>

using namespace keops::runtime;

namespace {

/// Rows that a task handles.
constexpr int64_t rowsPerTask = 1024;

int64_t batchesOf(const MoveSizes &sizes) {
  int64_t batches = 1;
  for (int64_t axis = 0; axis < sizes.batchAxes; ++axis)
    batches *= sizes.batchSizes[axis];
  return batches;
}

/// The address of a batch of an array.
char *inBatch(const StridedArray &array, int64_t batch, const MoveSizes &sizes) {
  int64_t offset = 0;
  for (int64_t axis = sizes.batchAxes - 1; axis >= 0; --axis) {
    offset += batch % sizes.batchSizes[axis] * array.batchStrides[axis];
    batch /= sizes.batchSizes[axis];
  }
  return array.data + offset * sizeOf(array.type);
}

char *element(const StridedArray &array, char *base, int64_t row, int64_t component) {
  return base + (row * array.rowStride + component * array.componentStride) * sizeOf(array.type);
}

/// Copies an element to an array that may be of another type.
void copyElement(DType fromType, const char *from, DType toType, char *to) {
  if (fromType == toType)
    std::memcpy(to, from, sizeOf(fromType));
  else
    writeElement(toType, to, 0, readElement(fromType, from, 0));
}

int64_t numberAt(const StridedArray &numbers, char *base, int64_t row, int64_t component) {
  int64_t number;
  std::memcpy(&number, element(numbers, base, row, component), sizeof(number));
  return number;
}

/// Calls `body(batch, begin, end)` for all rows of all batches.
template <typename Body>
void forEachBlock(const MoveSizes &sizes, ThreadPool &pool, Body &&body) {
  int64_t blocks = (sizes.rows + rowsPerTask - 1) / rowsPerTask;
  pool.parallelFor(blocks * batchesOf(sizes), sizes.threads, [&](int64_t task, int) {
    int64_t begin = task % blocks * rowsPerTask;
    body(task / blocks, begin, std::min(begin + rowsPerTask, sizes.rows));
  });
}

/// For each row, the places (row of the other index, position) that name it: those of row n are
/// places[starts[n]] to places[starts[n + 1] − 1], in increasing order.
struct PlaceList {
  std::vector<int64_t> starts, places;

  PlaceList(const StridedArray &numbers, char *base, const MoveSizes &sizes) : starts(sizes.rows + 1, 0) {
    auto forEach = [&](auto &&body) {
      for (int64_t row = 0; row < sizes.columns; ++row)
        for (int64_t n = 0; n < numbers.dim; ++n)
          if (int64_t number = numberAt(numbers, base, row, n); number >= 0 && number < sizes.rows)
            body(number, row * numbers.dim + n);
    };
    forEach([&](int64_t number, int64_t) { ++starts[number + 1]; });
    for (int64_t row = 0; row < sizes.rows; ++row)
      starts[row + 1] += starts[row];
    places.resize(starts.back());
    std::vector<int64_t> next(starts.begin(), starts.end() - 1);
    forEach([&](int64_t number, int64_t place) { places[next[number]++] = place; });
  }
};

/// The sums over all places that name the row; `read` gives the number at an address.
template <typename Read>
void addPlaces(const PlaceList &list, int64_t row, const StridedArray &from, char *fromBase, int64_t positions,
               const MoveSizes &sizes, std::vector<double> &sums, Read &&read) {
  int64_t size = static_cast<int64_t>(sums.size()) / sizes.groups;
  std::fill(sums.begin(), sums.end(), 0);
  for (int64_t n = list.starts[row]; n < list.starts[row + 1]; ++n) {
    int64_t other = list.places[n] / positions, position = list.places[n] % positions;
    for (int64_t c = 0; c < size; ++c)
      sums[position % sizes.groups * size + c] += read(element(from, fromBase, other, position * size + c));
  }
}

} // namespace

void keops::runtime::gatherRows(const StridedArray &from, const StridedArray &numbers, const StridedArray &to,
                                const MoveSizes &sizes, ThreadPool &pool) {
  int64_t size = from.dim / sizes.groups;
  forEachBlock(sizes, pool, [&](int64_t batch, int64_t begin, int64_t end) {
    char *fromBase = inBatch(from, batch, sizes), *numberBase = inBatch(numbers, batch, sizes),
         *toBase = inBatch(to, batch, sizes);
    for (int64_t row = begin; row < end; ++row)
      for (int64_t position = 0; position < numbers.dim; ++position) {
        int64_t number = numberAt(numbers, numberBase, row, position);
        bool exists = number >= 0 && number < sizes.columns;
        for (int64_t c = 0; c < size; ++c) {
          char *target = element(to, toBase, row, position * size + c);
          if (exists)
            copyElement(from.type, element(from, fromBase, number, position % sizes.groups * size + c), to.type,
                        target);
          else
            std::memset(target, 0, sizeOf(to.type));
        }
      }
  });
}

void keops::runtime::scatterRows(const StridedArray &from, const StridedArray &numbers, const StridedArray &to,
                                 const MoveSizes &sizes, ThreadPool &pool) {
  for (int64_t batch = 0; batch < batchesOf(sizes); ++batch) {
    char *fromBase = inBatch(from, batch, sizes), *toBase = inBatch(to, batch, sizes);
    PlaceList list(numbers, inBatch(numbers, batch, sizes), sizes);
    // One for each row would be asked for by threads, who have no one to throw to.
    std::vector<std::vector<double>> sums(std::max(1, sizes.threads), std::vector<double>(to.dim));
    int64_t blocks = (sizes.rows + rowsPerTask - 1) / rowsPerTask;
    pool.parallelFor(blocks, sizes.threads, [&](int64_t block, int worker) {
      int64_t end = std::min((block + 1) * rowsPerTask, sizes.rows);
      std::vector<double> &own = sums[worker];
      auto add = [&](int64_t row, auto &&read) { addPlaces(list, row, from, fromBase, numbers.dim, sizes, own, read); };
      for (int64_t row = block * rowsPerTask; row < end; ++row) {
        if (from.type == DType::F32)
          add(row, [](const char *place) { return *reinterpret_cast<const float *>(place); });
        else
          add(row, [&](const char *place) { return readElement(from.type, place, 0); });
        for (int64_t d = 0; d < to.dim; ++d)
          writeElement(to.type, element(to, toBase, row, d), 0, own[d]);
      }
    });
  }
}

void keops::runtime::copyRows(const StridedArray &from, const StridedArray &to, const MoveSizes &sizes,
                              ThreadPool &pool) {
  forEachBlock(sizes, pool, [&](int64_t batch, int64_t begin, int64_t end) {
    char *fromBase = inBatch(from, batch, sizes), *toBase = inBatch(to, batch, sizes);
    for (int64_t row = begin; row < end; ++row)
      for (int64_t d = 0; d < to.dim; ++d)
        copyElement(from.type, element(from, fromBase, row, d), to.type, element(to, toBase, row, d));
  });
}
