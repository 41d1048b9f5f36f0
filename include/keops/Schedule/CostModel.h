//===- CostModel.h - What a formula costs -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The only home of estimates: operations per pair from the ops' own costs, and
// what a target needs for them.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_SCHEDULE_COSTMODEL_H
#define KEOPS_SCHEDULE_COSTMODEL_H

#include "keops/Dialect/Keops.h"

namespace keops {

/// Operations that one pair needs, for all components.
struct PairCost {
  int64_t plain = 0;        ///< additions, products, comparisons
  int64_t special = 0;      ///< exponentials, divisions and their like
  int64_t joined = 0;       ///< plain ones that are part of another: the product of a multiply-add, a sign
  int64_t rowValues = 0;    ///< components of row variables in use
  int64_t columnValues = 0; ///< components of column variables in use
  int64_t stateValues = 0;  ///< elements of the reductions' states in registers
  int64_t memoryValues = 0; ///< elements of the reductions' states in memory
  int64_t largestDim = 1;   ///< of any vector
};

PairCost costOfPair(FormulaFuncOp formula);

/// About how many instructions that is on a CPU, for numbers of `bytes` bytes.
int64_t instructionsOfPair(const PairCost &cost, int64_t bytes);

/// What could bound the speed of the loop over pairs.
enum class Limit { Arithmetic, Special, Loads, Memory };

/// Cycles that one core, or one multiprocessor of a GPU, needs for a pair, for
/// each limit as if it were alone. It is a bound from throughputs: latencies,
/// rare branches and what is not done per pair are not in it.
struct Estimate {
  double cycles[4] = {}; ///< by Limit
  /// Of a CPU's arithmetic, what special functions take: there they are polynomials on the same ports.
  double specialShare = 0;
  // The assumptions.
  double gigahertz = 0;
  int64_t width = 1;      ///< numbers that an instruction, or a multiprocessor in a cycle, computes
  int64_t ports = 1;      ///< arithmetic instructions in a cycle
  int64_t specialOps = 1; ///< plain operations that a special function takes, where it is made of those

  Limit binding() const;
  double pairsPerSecond() const;
};

Estimate estimate(const PairCost &cost, TargetAttr target, ScheduleAttr schedule, mlir::Type number);

} // namespace keops

#endif // KEOPS_SCHEDULE_COSTMODEL_H
