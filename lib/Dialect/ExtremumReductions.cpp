//===- ExtremumReductions.cpp - Extrema and where they are -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The first of equal values wins, NaN never does.
//
//===----------------------------------------------------------------------===//

#include "ReductionParts.h"

using namespace mlir;
using namespace keops;

std::string ExtremumAttr::spelling() const {
  switch (getKind()) {
  case Extremum::Min:
    return "Min";
  case Extremum::Max:
    return "Max";
  case Extremum::ArgMin:
    return "ArgMin";
  case Extremum::ArgMax:
    return "ArgMax";
  case Extremum::MinArgMin:
    return "Min_ArgMin";
  case Extremum::MaxArgMax:
    return "Max_ArgMax";
  }
  llvm_unreachable("all kinds are handled");
}

LogicalResult ExtremumAttr::verifyTerms(ArrayRef<int64_t> dims, function_ref<InFlightDiagnostic()> emitError) const {
  return expectTerms(dims, 1, 1, spelling(), emitError);
}

SmallVector<StateSlot> ExtremumAttr::slots(ArrayRef<int64_t> dims) const {
  SmallVector<StateSlot> slots = {StateSlot{StateSlot::Kind::Term, dims[0], false}};
  if (givesIndex())
    slots.push_back(StateSlot{StateSlot::Kind::Row, dims[0], false});
  return slots;
}

SmallVector<ReductionResult> ExtremumAttr::results(ArrayRef<int64_t> dims) const {
  SmallVector<ReductionResult> results;
  if (givesValue())
    results.push_back(ReductionResult{dims[0], false, {dims[0]}});
  if (givesIndex())
    results.push_back(ReductionResult{dims[0], true, {dims[0]}});
  return results;
}

int64_t ExtremumAttr::preferredChunk() const { return 1; }

// The derivative of an extremum is that of its term where it was found.

static Places placesOf(const ExtremumAttr &attr, DerivativeBuilder &b, Operation *reduce) {
  auto kind = attr.isMax() ? Extremum::MaxArgMax : Extremum::MinArgMin;
  return Places(b, reduce, ExtremumAttr::get(attr.getContext(), kind), attr.isMax());
}

LogicalResult ExtremumAttr::buildTangent(DerivativeBuilder &b, Operation *reduce, ArrayRef<Value> tangents,
                                         SmallVectorImpl<Value> &results) const {
  return tangentsAt([&] { return placesOf(*this, b, reduce); }, givesValue(), givesIndex(), tangents, results);
}

LogicalResult ExtremumAttr::buildAdjoint(DerivativeBuilder &b, Operation *reduce, ArrayRef<Value> cotangents,
                                         SmallVectorImpl<TermCotangent> &terms) const {
  return adjointsAt([&] { return placesOf(*this, b, reduce); }, givesValue(), cotangents, terms);
}

FailureOr<Value> ExtremumAttr::buildFoldGradient(DerivativeBuilder &b, Value operand, Value) const {
  if (!givesValue())
    return Value();
  return oneHotAt(b, ExtremumAttr::get(getContext(), isMax() ? Extremum::ArgMax : Extremum::ArgMin), operand);
}

void ExtremumAttr::init(Lane &lane, ReductionState &state) const {
  LaneValue worst = lane.infinity();
  if (isMax())
    worst = lane.unary(UnaryKind::Neg, worst);
  lane.forEach(state.dims[0], [&](LaneIndex d) {
    state.set(kValue, d, worst);
    if (givesIndex())
      state.set(kRow, d, lane.rowNumber(0));
  });
}

void ExtremumAttr::accumulate(Lane &lane, ReductionState &state, ArrayRef<ReductionTerm *> chunk) const {
  for (ReductionTerm *term : chunk)
    lane.forEach(state.dims[0], [&](LaneIndex d) {
      LaneValue best = state.get(kValue, d), value = term->get(0, d);
      // Strict, and columns come in increasing order: the first extremum wins, NaN never does.
      LaneValue better = isMax() ? lane.less(best, value) : lane.less(value, best);
      state.set(kValue, d, isMax() ? lane.larger(value, best) : lane.smaller(value, best));
      if (givesIndex())
        state.set(kRow, d, lane.select(better, term->row(), state.get(kRow, d)));
    });
}

void ExtremumAttr::merge(Lane &lane, ReductionState &into, ReductionState &from) const {
  lane.forEach(into.dims[0], [&](LaneIndex d) {
    LaneValue a = into.get(kValue, d), b = from.get(kValue, d);
    LaneValue better = isMax() ? lane.less(a, b) : lane.less(b, a);
    if (givesIndex()) {
      LaneValue rowA = into.get(kRow, d), rowB = from.get(kRow, d);
      LaneValue tie = lane.maskAnd(lane.compare(CompareKind::EQ, a, b), lane.less(rowB, rowA));
      better = lane.maskOr(better, tie);
      into.set(kRow, d, lane.select(better, rowB, rowA));
    }
    into.set(kValue, d, isMax() ? lane.larger(b, a) : lane.smaller(b, a));
  });
}

LaneValue ExtremumAttr::finalize(Lane &, ReductionState &state, unsigned number, LaneIndex d) const {
  bool index = givesIndex() && (!givesValue() || number == 1);
  return state.get(index ? kRow : kValue, d);
}
