//===- KSmallestReductions.cpp - The k smallest and where they are -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A sorted list in memory, which the hot loop only asks for its last value.
//
//===----------------------------------------------------------------------===//

#include "ReductionParts.h"

using namespace mlir;
using namespace keops;

LogicalResult KSmallestAttr::verify(function_ref<InFlightDiagnostic()> emitError, int64_t k, KSmallest) {
  if (k < 1)
    return emitError() << "expects K ≥ 1, got " << k;
  return success();
}

std::string KSmallestAttr::spelling() const {
  switch (getKind()) {
  case KSmallest::KMin:
    return "KMin";
  case KSmallest::ArgKMin:
    return "ArgKMin";
  case KSmallest::KMinArgKMin:
    return "KMin_ArgKMin";
  }
  llvm_unreachable("all kinds are handled");
}

LogicalResult KSmallestAttr::verifyTerms(ArrayRef<int64_t> dims, function_ref<InFlightDiagnostic()> emitError) const {
  return expectTerms(dims, 1, 1, spelling(), emitError);
}

// In memory: a hot loop only reads the largest kept value, and insertions are rare.
SmallVector<StateSlot> KSmallestAttr::slots(ArrayRef<int64_t> dims) const {
  SmallVector<StateSlot> slots = {StateSlot{StateSlot::Kind::Term, getK() * dims[0], true}};
  if (givesIndex())
    slots.push_back(StateSlot{StateSlot::Kind::Row, getK() * dims[0], true});
  return slots;
}

SmallVector<ReductionResult> KSmallestAttr::results(ArrayRef<int64_t> dims) const {
  SmallVector<int64_t, 2> shape = {getK()};
  if (dims[0] != 1)
    shape.push_back(dims[0]);
  SmallVector<ReductionResult> results;
  if (givesValue())
    results.push_back(ReductionResult{getK() * dims[0], false, shape});
  if (givesIndex())
    results.push_back(ReductionResult{getK() * dims[0], true, shape});
  return results;
}

// One test whether anything is inserted serves this many columns.
int64_t KSmallestAttr::preferredChunk() const { return 8; }

// Each rank has the derivative of the term that it holds.

static Places placesOf(const KSmallestAttr &attr, DerivativeBuilder &b, Operation *reduce) {
  auto both = KSmallestAttr::get(attr.getContext(), attr.getK(), KSmallest::KMinArgKMin);
  return Places(b, reduce, both, /*isMax=*/false);
}

LogicalResult KSmallestAttr::buildTangent(DerivativeBuilder &b, Operation *reduce, ArrayRef<Value> tangents,
                                          SmallVectorImpl<Value> &results) const {
  return tangentsAt([&] { return placesOf(*this, b, reduce); }, givesValue(), givesIndex(), tangents, results);
}

LogicalResult KSmallestAttr::buildAdjoint(DerivativeBuilder &b, Operation *reduce, ArrayRef<Value> cotangents,
                                          SmallVectorImpl<TermCotangent> &terms) const {
  return adjointsAt([&] { return placesOf(*this, b, reduce); }, givesValue(), cotangents, terms);
}

FailureOr<Value> KSmallestAttr::buildFoldGradient(DerivativeBuilder &b, Value operand, Value) const {
  if (!givesValue())
    return Value();
  return oneHotAt(b, KSmallestAttr::get(getContext(), getK(), KSmallest::ArgKMin), operand);
}

void KSmallestAttr::init(Lane &lane, ReductionState &state) const {
  lane.forEach(getK() * state.dims[0], [&](LaneIndex element) {
    state.set(kValue, element, lane.infinity());
    if (givesIndex())
      state.set(kRow, element, lane.rowNumber(0));
  });
}

/// a comes before b: a smaller value, or the same at a smaller row number.
static LaneValue comesBefore(Lane &lane, LaneValue a, LaneValue rowA, LaneValue b, LaneValue rowB) {
  LaneValue tie = lane.maskAnd(lane.compare(CompareKind::EQ, a, b), lane.less(rowA, rowB));
  return lane.maskOr(lane.less(a, b), tie);
}

/// Inserts (value, row) into the sorted list of component d. From the last rank
/// down, each takes what was one rank before, the new one, or keeps its own: no
/// rank waits for another.
static void insert(const KSmallestAttr &attr, Lane &lane, ReductionState &state, LaneIndex d, LaneValue value,
                   LaneValue row, bool breakTies) {
  int64_t dim = state.dims[0], last = attr.getK() - 1;
  bool index = attr.givesIndex();
  struct Entry {
    LaneIndex element;
    LaneValue value, row, isLater;
  };
  auto entry = [&](LaneIndex rank) {
    Entry entry;
    entry.element = lane.add(lane.mul(rank, dim), d);
    entry.value = state.get(kValue, entry.element);
    if (index)
      entry.row = state.get(kRow, entry.element);
    entry.isLater =
        index && breakTies ? comesBefore(lane, value, row, entry.value, entry.row) : lane.less(value, entry.value);
    return entry;
  };
  // As values, the new one or what stays is the smaller, or for NaN what stays.
  auto keep = [&](const Entry &kept) {
    state.set(kValue, kept.element, lane.smaller(value, kept.value));
    if (index)
      state.set(kRow, kept.element, lane.select(kept.isLater, row, kept.row));
  };
  lane.loop(last, {}, [&](LaneIndex step, ArrayRef<LaneValue>) -> SmallVector<LaneValue> {
    LaneIndex rank = lane.add(lane.mul(step, -1), last);
    Entry kept = entry(rank), before = entry(lane.add(rank, -1));
    LaneValue moved = lane.select(before.isLater, before.value, lane.smaller(value, kept.value));
    state.set(kValue, kept.element, moved);
    if (index) {
      LaneValue stays = lane.select(kept.isLater, row, kept.row);
      state.set(kRow, kept.element, lane.select(before.isLater, before.row, stays));
    }
    return {};
  });
  keep(entry(0));
}

void KSmallestAttr::accumulate(Lane &lane, ReductionState &state, ArrayRef<ReductionTerm *> chunk) const {
  int64_t dim = state.dims[0];
  lane.forEach(dim, [&](LaneIndex d) {
    LaneIndex last = lane.add(LaneIndex((getK() - 1) * dim), d);
    LaneValue largest = state.get(kValue, last), smallest = largest;
    SmallVector<LaneValue> values;
    for (ReductionTerm *term : chunk) {
      values.push_back(term->get(0, d));
      smallest = lane.smaller(values.back(), smallest);
    }
    lane.ifAny(lane.less(smallest, largest), [&] {
      for (auto [term, value] : llvm::zip(chunk, values))
        lane.ifAny(lane.less(value, state.get(kValue, last)), [&, term = term, value = value] {
          insert(*this, lane, state, d, value, givesIndex() ? term->row() : LaneValue(), /*breakTies=*/false);
        });
    });
  });
}

void KSmallestAttr::merge(Lane &lane, ReductionState &into, ReductionState &from) const {
  int64_t dim = into.dims[0];
  lane.forEach(getK() * dim, [&](LaneIndex element) {
    LaneValue row = givesIndex() ? from.get(kRow, element) : LaneValue();
    insert(*this, lane, into, lane.rem(element, dim), from.get(kValue, element), row, /*breakTies=*/true);
  });
}

LaneValue KSmallestAttr::finalize(Lane &, ReductionState &state, unsigned number, LaneIndex d) const {
  bool index = givesIndex() && (!givesValue() || number == 1);
  return state.get(index ? kRow : kValue, d);
}
