//===- Reductions.cpp - Every monoid -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One section per reduction: its state, and how a chunk of columns, another
// state and the end of the columns change it.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Keops.h"

using namespace mlir;
using namespace keops;

static LogicalResult expectTerms(ArrayRef<int64_t> dims, size_t least, size_t most, StringRef name,
                                 function_ref<InFlightDiagnostic()> emitError) {
  if (dims.size() >= least && dims.size() <= most)
    return success();
  InFlightDiagnostic diagnostic = emitError() << "reduction '" << name << "' expects " << least;
  if (most != least)
    diagnostic << " or " << most;
  return diagnostic << (most == 1 ? " formula" : " formulas") << ", got " << dims.size();
}

//===----------------------------------------------------------------------===//
// Schemes of summation
//===----------------------------------------------------------------------===//

/// `count` sums, and what they have lost if the scheme keeps it.
static void addSumSlots(SmallVectorImpl<StateSlot> &slots, SumScheme scheme, int64_t count) {
  slots.push_back({scheme == SumScheme::F64 ? StateSlot::Kind::WideSum : StateSlot::Kind::Sum, count, false});
  if (scheme == SumScheme::Kahan)
    slots.push_back({StateSlot::Kind::Sum, count, false});
}

namespace {
/// Element d of the sums in slot `slot`, and of their compensations in the next one.
class RunningSum {
public:
  RunningSum(Lane &lane, ReductionState &state, SumScheme scheme, unsigned slot, LaneIndex d)
      : lane(lane), state(state), compensated(scheme == SumScheme::Kahan), slot(slot), d(d), sum(state.get(slot, d)) {
    if (compensated)
      compensation = state.get(slot + 1, d);
  }
  void add(LaneValue term) {
    if (compensated)
      lane.addCompensated(sum, compensation, term);
    else
      sum = lane.add(sum, term);
  }
  void add(const RunningSum &other) {
    add(other.sum);
    // Apart: their difference would be rounded to the other's narrower type.
    if (compensated)
      add(lane.unary(UnaryKind::Neg, other.compensation));
  }
  void scale(LaneValue factor) {
    sum = lane.mul(sum, factor);
    if (compensated)
      compensation = lane.mul(compensation, factor);
  }
  void store() const {
    state.set(slot, d, sum);
    if (compensated)
      state.set(slot + 1, d, compensation);
  }
  LaneValue value() const { return compensated ? lane.sub(sum, compensation) : sum; }

private:
  Lane &lane;
  ReductionState &state;
  bool compensated;
  unsigned slot;
  LaneIndex d;
  LaneValue sum, compensation;
};
} // namespace

static void initSum(Lane &lane, ReductionState &state, SumScheme scheme, unsigned slot, LaneIndex d) {
  state.set(slot, d, lane.constant(0));
  if (scheme == SumScheme::Kahan)
    state.set(slot + 1, d, lane.constant(0));
}

//===----------------------------------------------------------------------===//
// sum
//===----------------------------------------------------------------------===//

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

//===----------------------------------------------------------------------===//
// logsumexp
//
// The maximum starts at the lowest finite number and stops at the largest, so
// no difference of infinities arises: a term −inf gives exp(−inf) = 0, a term
// +inf gives exp(+inf) = +inf, and neither needs a test per pair.
//===----------------------------------------------------------------------===//

enum LogSumExpSlot : unsigned { kMaximum, kSums };

std::string LogSumExpAttr::spelling() const { return "LogSumExp"; }

LogicalResult LogSumExpAttr::verifyTerms(ArrayRef<int64_t> dims, function_ref<InFlightDiagnostic()> emitError) const {
  if (failed(expectTerms(dims, 1, 2, spelling(), emitError)))
    return failure();
  if (dims[0] != 1)
    return emitError() << "reduction 'LogSumExp' expects a formula of dimension 1, got dimension " << dims[0];
  return success();
}

SmallVector<StateSlot> LogSumExpAttr::slots(ArrayRef<int64_t> dims) const {
  SmallVector<StateSlot> slots = {StateSlot{StateSlot::Kind::Term, 1, false}};
  addSumSlots(slots, getScheme(), dims.back());
  return slots;
}

SmallVector<ReductionResult> LogSumExpAttr::results(ArrayRef<int64_t> dims) const {
  return {ReductionResult{dims.back(), false, {dims.back()}}};
}

// One test for a new maximum, rarely taken, serves this many columns.
int64_t LogSumExpAttr::preferredChunk() const { return 8; }

/// How far terms may exceed the maximum of the state before it is raised: rarely
/// then, and the sums stay far below what would overflow.
static constexpr double kSlack = 16;

void LogSumExpAttr::init(Lane &lane, ReductionState &state) const {
  state.set(kMaximum, 0, lane.unary(UnaryKind::Neg, lane.largest()));
  lane.forEach(state.dims.back(), [&](LaneIndex d) { initSum(lane, state, getScheme(), kSums, d); });
}

// The maximum of earlier columns is nearly that of all: few later ones exceed it.
void LogSumExpAttr::resume(Lane &lane, ReductionState &state, ReductionState &earlier) const {
  state.set(kMaximum, 0, earlier.get(kMaximum, 0));
  lane.forEach(state.dims.back(), [&](LaneIndex d) { initSum(lane, state, getScheme(), kSums, d); });
}

/// Raises the maximum where it is above the limit, to at most the largest finite
/// number, and scales the sums.
static void raiseMaximum(Lane &lane, ReductionState &state, SumScheme scheme, LaneValue limit, LaneValue maximum) {
  LaneValue largest = lane.largest();
  maximum = lane.select(lane.less(largest, maximum), largest, maximum);
  maximum = lane.select(lane.less(limit, maximum), maximum, state.get(kMaximum, 0));
  LaneValue scale = lane.boundedExp(lane.sub(state.get(kMaximum, 0), maximum));
  state.set(kMaximum, 0, maximum);
  lane.forEach(state.dims.back(), [&](LaneIndex d) {
    RunningSum sum(lane, state, scheme, kSums, d);
    sum.scale(scale);
    sum.store();
  });
}

void LogSumExpAttr::accumulate(Lane &lane, ReductionState &state, ArrayRef<ReductionTerm *> chunk) const {
  SmallVector<LaneValue> exponents;
  LaneValue limit = lane.add(state.get(kMaximum, 0), lane.constant(kSlack)), maximum;
  for (ReductionTerm *term : chunk) {
    exponents.push_back(term->get(0, 0));
    maximum = exponents.size() == 1 ? exponents.back() : lane.larger(exponents.back(), maximum);
  }
  bool weighted = state.dims.size() == 2;
  auto exceed = [&] {
    raiseMaximum(lane, state, getScheme(), limit, maximum);
    // A term +inf is added here; for the bounded exponential it becomes a finite one.
    for (auto [term, exponent] : llvm::zip(chunk, exponents)) {
      LaneValue infinite = lane.less(lane.largest(), exponent);
      lane.forEach(state.dims.back(), [&, term = term](LaneIndex d) {
        RunningSum sum(lane, state, getScheme(), kSums, d);
        LaneValue more = weighted ? lane.mul(lane.infinity(), term->get(1, d)) : lane.infinity();
        sum.add(lane.select(infinite, more, lane.constant(0)));
        sum.store();
      });
      exponent = lane.select(infinite, lane.largest(), exponent);
    }
  };
  lane.ifAny(lane.less(limit, maximum), exceed, exponents);
  LaneValue shift = state.get(kMaximum, 0);
  SmallVector<LaneValue> weights;
  for (LaneValue exponent : exponents)
    weights.push_back(lane.boundedExp(lane.sub(exponent, shift)));
  lane.forEach(state.dims.back(), [&](LaneIndex d) {
    RunningSum sum(lane, state, getScheme(), kSums, d);
    for (auto [term, weight] : llvm::zip(chunk, weights))
      sum.add(weighted ? lane.mul(weight, term->get(1, d)) : weight);
    sum.store();
  });
}

void LogSumExpAttr::merge(Lane &lane, ReductionState &into, ReductionState &from) const {
  LaneValue a = into.get(kMaximum, 0), b = from.get(kMaximum, 0);
  LaneValue maximum = lane.larger(b, a);
  LaneValue scaleInto = lane.boundedExp(lane.sub(a, maximum));
  LaneValue scaleFrom = lane.boundedExp(lane.sub(b, maximum));
  into.set(kMaximum, 0, maximum);
  lane.forEach(into.dims.back(), [&](LaneIndex d) {
    RunningSum sum(lane, into, getScheme(), kSums, d), other(lane, from, getScheme(), kSums, d);
    sum.scale(scaleInto);
    other.scale(scaleFrom);
    sum.add(other);
    sum.store();
  });
}

LaneValue LogSumExpAttr::finalize(Lane &lane, ReductionState &state, unsigned, LaneIndex d) const {
  return lane.add(state.get(kMaximum, 0), lane.log(RunningSum(lane, state, getScheme(), kSums, d).value()));
}

//===----------------------------------------------------------------------===//
// extremum
//===----------------------------------------------------------------------===//

enum ExtremumSlot : unsigned { kValue, kRow };

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

/// a comes before b: a smaller value, or the same at a smaller row number.
static LaneValue comesBefore(Lane &lane, LaneValue a, LaneValue rowA, LaneValue b, LaneValue rowB) {
  LaneValue tie = lane.maskAnd(lane.compare(CompareKind::EQ, a, b), lane.less(rowA, rowB));
  return lane.maskOr(lane.less(a, b), tie);
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

//===----------------------------------------------------------------------===//
// k_smallest
//===----------------------------------------------------------------------===//

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

void KSmallestAttr::init(Lane &lane, ReductionState &state) const {
  lane.forEach(getK() * state.dims[0], [&](LaneIndex element) {
    state.set(kValue, element, lane.infinity());
    if (givesIndex())
      state.set(kRow, element, lane.rowNumber(0));
  });
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
