//===- CostModel.h - What a formula costs -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The only home of estimates: operations per pair from the ops' own costs.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_SCHEDULE_COSTMODEL_H
#define KEOPS_SCHEDULE_COSTMODEL_H

#include "keops/Dialect/Keops.h"

namespace keops {

/// Operations that one pair needs, for all components.
struct PairCost {
  int64_t plain = 0;   ///< additions, products, comparisons
  int64_t special = 0; ///< exponentials, divisions and their like
  int64_t rowValues = 0;    ///< components of row variables in use
  int64_t columnValues = 0; ///< components of column variables in use
  int64_t stateValues = 0;  ///< elements of the reductions' states in registers
  int64_t memoryValues = 0; ///< elements of the reductions' states in memory
  int64_t largestDim = 1;   ///< of any vector
};

PairCost costOfPair(FormulaFuncOp formula);

} // namespace keops

#endif // KEOPS_SCHEDULE_COSTMODEL_H
