//===- SumReductions.cpp - Sums -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How a chunk of columns, another state and the end of the columns change a sum,
// and its derivative.
//
//===----------------------------------------------------------------------===//

#include "ReductionParts.h"

using namespace mlir;
using namespace keops;

std::string SumAttr::spelling() const { return "Sum"; }

LogicalResult SumAttr::verifyTerms(ArrayRef<int64_t> dims, function_ref<InFlightDiagnostic()> emitError) const {
  return expectTerms(dims, 1, 1, spelling(), emitError);
}

SmallVector<StateSlot> SumAttr::slots(ArrayRef<int64_t> dims) const {
  SmallVector<StateSlot> slots;
  addSumSlots(slots, getScheme(), dims[0]);
  return slots;
}

SmallVector<ReductionResult> SumAttr::results(ArrayRef<int64_t> dims) const {
  return {ReductionResult{dims[0], false, {dims[0]}}};
}

// The second column's work fills what the first one's dependences leave free.
int64_t SumAttr::preferredChunk() const { return 2; }

void SumAttr::init(Lane &lane, ReductionState &state) const {
  lane.forEach(state.dims[0], [&](LaneIndex d) { initSum(lane, state, getScheme(), 0, d); });
}

void SumAttr::accumulate(Lane &lane, ReductionState &state, ArrayRef<ReductionTerm *> chunk) const {
  lane.forEach(state.dims[0], [&](LaneIndex d) {
    RunningSum sum(lane, state, getScheme(), 0, d);
    for (ReductionTerm *term : chunk)
      sum.add(term->get(0, d));
    sum.store();
  });
}

void SumAttr::merge(Lane &lane, ReductionState &into, ReductionState &from) const {
  lane.forEach(into.dims[0], [&](LaneIndex d) {
    RunningSum sum(lane, into, getScheme(), 0, d);
    sum.add(RunningSum(lane, from, getScheme(), 0, d));
    sum.store();
  });
}

LaneValue SumAttr::finalize(Lane &lane, ReductionState &state, unsigned, LaneIndex d) const {
  return RunningSum(lane, state, getScheme(), 0, d).value();
}

bool SumAttr::isLinearIn(const llvm::SmallBitVector &) const { return true; }

LogicalResult SumAttr::buildTangent(DerivativeBuilder &b, Operation *reduce, ArrayRef<Value> tangents,
                                    SmallVectorImpl<Value> &results) const {
  results.push_back(detail::sumOverReduced(b, reduce, tangents[0]));
  return success();
}

LogicalResult SumAttr::buildAdjoint(DerivativeBuilder &b, Operation *, ArrayRef<Value> cotangents,
                                    SmallVectorImpl<TermCotangent> &terms) const {
  terms.push_back(cotangentOfTerm(b, 0, cotangents[0]));
  return success();
}

FailureOr<Value> SumAttr::buildFoldGradient(DerivativeBuilder &b, Value, Value) const { return b.constant(1); }
