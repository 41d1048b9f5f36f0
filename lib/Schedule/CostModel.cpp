//===- CostModel.cpp - What a formula costs -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums the costs of ops that depend on both indices.
//
//===----------------------------------------------------------------------===//

#include "keops/Schedule/CostModel.h"

using namespace mlir;
using namespace keops;

PairCost keops::costOfPair(FormulaFuncOp formula) {
  PairCost total;
  IndexSet reduced = IndexSet::J;
  for (auto reduce : formula.getBody().getOps<ReduceOp>())
    reduced = static_cast<IndexSet>(reduce.getOver());
  for (BlockArgument argument : formula.getBody().getArguments()) {
    auto type = cast<VecType>(argument.getType());
    if (argument.use_empty() || type.getIndices() == IndexSet::None)
      continue;
    (type.getIndices() == reduced ? total.columnValues : total.rowValues) += type.getDim();
  }
  for (Operation &op : formula.getBody().front()) {
    if (auto reduce = dyn_cast<ReduceOp>(op)) {
      SmallVector<int64_t> dims;
      for (Value term : reduce.getTerms())
        dims.push_back(cast<VecType>(term.getType()).getDim());
      for (const StateSlot &slot : reduce.getReduction().slots(dims))
        (slot.inMemory ? total.memoryValues : total.stateValues) +=
            slot.kind == StateSlot::Kind::WideSum ? 2 * slot.count : slot.count;
      total.plain += dims[0];
      continue;
    }
    auto known = dyn_cast<FormulaOpInterface>(op);
    if (!known)
      continue;
    auto type = cast<VecType>(op.getResult(0).getType());
    total.largestDim = std::max(total.largestDim, type.getDim());
    if (type.getIndices() != IndexSet::IJ)
      continue;
    OpCost cost = known.cost();
    total.plain += cost.plain * type.getDim();
    total.special += cost.special * type.getDim();
  }
  return total;
}
