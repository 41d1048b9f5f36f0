//===- MovedRows.h - Rows of arrays by number ------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The steps of a program that compute nothing but where rows go.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_RUNTIME_MOVEDROWS_H
#define KEOPS_LIB_RUNTIME_MOVEDROWS_H

#include "keops/Runtime/Artifact.h"

namespace keops::runtime {

class ThreadPool;

/// An array, or one for each batch, of elements that lie anywhere.
struct StridedArray {
  char *data = nullptr;
  DType type = DType::F32;
  int64_t rows = 0;
  int64_t dim = 0;
  int64_t rowStride = 0; ///< in elements, as the others; 0 where all rows are one
  int64_t componentStride = 1;
  const int64_t *batchStrides = nullptr;
};

/// What all arrays of a step have in common.
struct MoveSizes {
  int64_t rows = 0;    ///< of the output
  int64_t columns = 0; ///< of the other index
  int64_t groups = 1;
  int64_t batchAxes = 0;
  const int64_t *batchSizes = nullptr;
  int threads = 1;
};

/// Component (r·groups + s)·q + c of a row of `to` is component s·q + c of the
/// row of `from` whose number is element r·groups + s of that row of `numbers`;
/// 0 if there is no such row.
void gatherRows(const StridedArray &from, const StridedArray &numbers, const StridedArray &to, const MoveSizes &sizes,
                ThreadPool &pool);

/// The transpose: adds to each row of `to`, from zero and in the order of the
/// rows of `from`, what has its number. Sums are in float64. Throws
/// std::bad_alloc if there is no memory for a list of all numbers.
void scatterRows(const StridedArray &from, const StridedArray &numbers, const StridedArray &to, const MoveSizes &sizes,
                 ThreadPool &pool);

/// Element by element.
void copyRows(const StridedArray &from, const StridedArray &to, const MoveSizes &sizes, ThreadPool &pool);

} // namespace keops::runtime

#endif // KEOPS_LIB_RUNTIME_MOVEDROWS_H
