//===- Reductions.cpp - Every monoid -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One section per reduction: its state, how a chunk of columns, another state
// and the end of the columns change it, and its derivative.
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

LogicalResult SumAttr::buildTangent(DerivativeBuilder &b, Operation *reduce, ArrayRef<Value> tangents,
                                    SmallVectorImpl<Value> &results) const {
  results.push_back(detail::sumOverReduced(b, reduce, tangents[0]));
  return success();
}

/// The cotangent of one number leaves the sum as a factor.
static TermCotangent cotangentOfTerm(DerivativeBuilder &b, unsigned term, Value cotangent) {
  if (cast<VecType>(cotangent.getType()).isScalar())
    return {term, b.constant(1), cotangent};
  return {term, cotangent, {}};
}

LogicalResult SumAttr::buildAdjoint(DerivativeBuilder &b, Operation *, ArrayRef<Value> cotangents,
                                    SmallVectorImpl<TermCotangent> &terms) const {
  terms.push_back(cotangentOfTerm(b, 0, cotangents[0]));
  return success();
}

FailureOr<Value> SumAttr::buildFoldGradient(DerivativeBuilder &b, Value, Value) const { return b.constant(1); }

//===----------------------------------------------------------------------===//
// logsumexp and softmax
//
// Both keep a running maximum and sums that are scaled by it.
//
// The maximum starts at the lowest finite number and stops at the largest, so
// no difference of infinities arises: a term −inf gives exp(−inf) = 0, a term
// +inf gives exp(+inf) = +inf, and neither needs a test per pair.
//===----------------------------------------------------------------------===//

enum ExponentialSlot : unsigned { kMaximum, kSums };

/// How far terms may exceed the maximum of the state before it is raised: rarely
/// then, and the sums stay far below what would overflow.
static constexpr double kSlack = 16;

// One test for a new maximum, rarely taken, serves this many columns.
static constexpr int64_t kExponentialChunk = 8;

static LogicalResult verifyExponential(ArrayRef<int64_t> dims, size_t least, StringRef name,
                                       function_ref<InFlightDiagnostic()> emitError) {
  if (failed(expectTerms(dims, least, 2, name, emitError)))
    return failure();
  if (dims[0] != 1)
    return emitError() << "reduction '" << name << "' expects a formula of dimension 1, got dimension " << dims[0];
  return success();
}

namespace {
/// The state (m, Σ exp(F − m)·G), for a mean also Σ exp(F − m).
class Exponential {
public:
  Exponential(Lane &lane, ReductionState &state, SumScheme scheme, bool isMean)
      : lane(lane), state(state), scheme(scheme), isMean(isMean), isWeighted(state.dims.size() == 2) {}

  static SmallVector<StateSlot> slots(SumScheme scheme, int64_t dim, bool isMean) {
    SmallVector<StateSlot> slots = {StateSlot{StateSlot::Kind::Term, 1, false}};
    addSumSlots(slots, scheme, dim);
    if (isMean)
      addSumSlots(slots, scheme, 1);
    return slots;
  }

  void init() { start(lane.unary(UnaryKind::Neg, lane.largest())); }
  // The maximum of earlier columns is nearly that of all: few later ones exceed it.
  void resume(ReductionState &earlier) { start(earlier.get(kMaximum, 0)); }
  void accumulate(ArrayRef<ReductionTerm *> chunk);
  void merge(ReductionState &from);

  LaneValue maximum() { return state.get(kMaximum, 0); }
  LaneValue sum(LaneIndex d) { return RunningSum(lane, state, scheme, kSums, d).value(); }
  LaneValue norm() { return RunningSum(lane, state, scheme, normSlot(), 0).value(); }

private:
  unsigned normSlot() const { return scheme == SumScheme::Kahan ? kSums + 2 : kSums + 1; }

  /// Runs `body(slot, d)` for each sum.
  void forEachSlot(llvm::function_ref<void(unsigned, LaneIndex)> body) {
    lane.forEach(state.dims.back(), [&](LaneIndex d) { body(kSums, d); });
    if (isMean)
      body(normSlot(), 0);
  }
  /// The same with the sum, which is stored afterwards.
  void forEachSum(llvm::function_ref<void(RunningSum &, unsigned, LaneIndex)> body) {
    forEachSlot([&](unsigned slot, LaneIndex d) {
      RunningSum sum(lane, state, scheme, slot, d);
      body(sum, slot, d);
      sum.store();
    });
  }
  void start(LaneValue maximum) {
    state.set(kMaximum, 0, maximum);
    forEachSlot([&](unsigned slot, LaneIndex d) { initSum(lane, state, scheme, slot, d); });
  }
  /// What a term of this weight adds to a sum.
  LaneValue share(LaneValue weight, ReductionTerm *term, unsigned slot, LaneIndex d) {
    return isWeighted && slot == kSums ? lane.mul(weight, term->get(1, d)) : weight;
  }
  void raiseMaximum(LaneValue limit, LaneValue maximum);

  Lane &lane;
  ReductionState &state;
  SumScheme scheme;
  bool isMean, isWeighted;
};
} // namespace

/// Raises the maximum where it is above the limit, to at most the largest finite
/// number, and scales the sums.
void Exponential::raiseMaximum(LaneValue limit, LaneValue maximum) {
  LaneValue largest = lane.largest();
  maximum = lane.select(lane.less(largest, maximum), largest, maximum);
  maximum = lane.select(lane.less(limit, maximum), maximum, state.get(kMaximum, 0));
  LaneValue scale = lane.boundedExp(lane.sub(state.get(kMaximum, 0), maximum));
  state.set(kMaximum, 0, maximum);
  forEachSum([&](RunningSum &sum, unsigned, LaneIndex) { sum.scale(scale); });
}

void Exponential::accumulate(ArrayRef<ReductionTerm *> chunk) {
  SmallVector<LaneValue> exponents;
  LaneValue limit = lane.add(state.get(kMaximum, 0), lane.constant(kSlack)), maximum;
  for (ReductionTerm *term : chunk) {
    exponents.push_back(term->get(0, 0));
    maximum = exponents.size() == 1 ? exponents.back() : lane.larger(exponents.back(), maximum);
  }
  auto exceed = [&] {
    raiseMaximum(limit, maximum);
    // A term +inf is added here; for the bounded exponential it becomes a finite one.
    for (auto [term, exponent] : llvm::zip(chunk, exponents)) {
      LaneValue infinite = lane.less(lane.largest(), exponent);
      forEachSum([&, term = term](RunningSum &sum, unsigned slot, LaneIndex d) {
        sum.add(lane.select(infinite, share(lane.infinity(), term, slot, d), lane.constant(0)));
      });
      exponent = lane.select(infinite, lane.largest(), exponent);
    }
  };
  lane.ifAny(lane.less(limit, maximum), exceed, exponents);
  LaneValue shift = state.get(kMaximum, 0);
  SmallVector<LaneValue> weights;
  for (LaneValue exponent : exponents)
    weights.push_back(lane.boundedExp(lane.sub(exponent, shift)));
  forEachSum([&](RunningSum &sum, unsigned slot, LaneIndex d) {
    for (auto [term, weight] : llvm::zip(chunk, weights))
      sum.add(share(weight, term, slot, d));
  });
}

void Exponential::merge(ReductionState &from) {
  LaneValue a = state.get(kMaximum, 0), b = from.get(kMaximum, 0);
  LaneValue maximum = lane.larger(b, a);
  LaneValue scaleInto = lane.boundedExp(lane.sub(a, maximum));
  LaneValue scaleFrom = lane.boundedExp(lane.sub(b, maximum));
  state.set(kMaximum, 0, maximum);
  forEachSum([&](RunningSum &sum, unsigned slot, LaneIndex d) {
    RunningSum other(lane, from, scheme, slot, d);
    sum.scale(scaleInto);
    other.scale(scaleFrom);
    sum.add(other);
  });
}

std::string LogSumExpAttr::spelling() const { return "LogSumExp"; }

LogicalResult LogSumExpAttr::verifyTerms(ArrayRef<int64_t> dims, function_ref<InFlightDiagnostic()> emitError) const {
  return verifyExponential(dims, 1, spelling(), emitError);
}

SmallVector<StateSlot> LogSumExpAttr::slots(ArrayRef<int64_t> dims) const {
  return Exponential::slots(getScheme(), dims.back(), /*isMean=*/false);
}

SmallVector<ReductionResult> LogSumExpAttr::results(ArrayRef<int64_t> dims) const {
  return {ReductionResult{dims.back(), false, {dims.back()}}};
}

int64_t LogSumExpAttr::preferredChunk() const { return kExponentialChunk; }

void LogSumExpAttr::init(Lane &lane, ReductionState &state) const {
  Exponential(lane, state, getScheme(), /*isMean=*/false).init();
}

void LogSumExpAttr::resume(Lane &lane, ReductionState &state, ReductionState &earlier) const {
  Exponential(lane, state, getScheme(), /*isMean=*/false).resume(earlier);
}

void LogSumExpAttr::accumulate(Lane &lane, ReductionState &state, ArrayRef<ReductionTerm *> chunk) const {
  Exponential(lane, state, getScheme(), /*isMean=*/false).accumulate(chunk);
}

void LogSumExpAttr::merge(Lane &lane, ReductionState &into, ReductionState &from) const {
  Exponential(lane, into, getScheme(), /*isMean=*/false).merge(from);
}

LaneValue LogSumExpAttr::finalize(Lane &lane, ReductionState &state, unsigned, LaneIndex d) const {
  Exponential exponential(lane, state, getScheme(), /*isMean=*/false);
  return lane.add(exponential.maximum(), lane.log(exponential.sum(d)));
}

std::string SoftmaxAttr::spelling() const { return "SumSoftMaxWeight"; }

LogicalResult SoftmaxAttr::verifyTerms(ArrayRef<int64_t> dims, function_ref<InFlightDiagnostic()> emitError) const {
  return verifyExponential(dims, 2, spelling(), emitError);
}

SmallVector<StateSlot> SoftmaxAttr::slots(ArrayRef<int64_t> dims) const {
  return Exponential::slots(getScheme(), dims[1], /*isMean=*/true);
}

SmallVector<ReductionResult> SoftmaxAttr::results(ArrayRef<int64_t> dims) const {
  return {ReductionResult{dims[1], false, {dims[1]}}};
}

int64_t SoftmaxAttr::preferredChunk() const { return kExponentialChunk; }

void SoftmaxAttr::init(Lane &lane, ReductionState &state) const {
  Exponential(lane, state, getScheme(), /*isMean=*/true).init();
}

void SoftmaxAttr::resume(Lane &lane, ReductionState &state, ReductionState &earlier) const {
  Exponential(lane, state, getScheme(), /*isMean=*/true).resume(earlier);
}

void SoftmaxAttr::accumulate(Lane &lane, ReductionState &state, ArrayRef<ReductionTerm *> chunk) const {
  Exponential(lane, state, getScheme(), /*isMean=*/true).accumulate(chunk);
}

void SoftmaxAttr::merge(Lane &lane, ReductionState &into, ReductionState &from) const {
  Exponential(lane, into, getScheme(), /*isMean=*/true).merge(from);
}

LaneValue SoftmaxAttr::finalize(Lane &lane, ReductionState &state, unsigned, LaneIndex d) const {
  Exponential exponential(lane, state, getScheme(), /*isMean=*/true);
  return lane.div(exponential.sum(d), exponential.norm());
}

// Derivatives of both. The density p = exp(F) / Σ exp(F) needs a pass of its own; a sum over the reduced index with
// weights p does not, since it is a mean.

/// Σ exp(F)·value / Σ exp(F) over the index that `op` reduces, F its first term.
static Value meanOver(DerivativeBuilder &b, Operation *op, Value value) {
  if (!value)
    return {};
  auto reduce = cast<ReduceOp>(op);
  auto softmax = cast<ReductionInterface>(Attribute(SoftmaxAttr::get(b.getBuilder().getContext(), b.getScheme())));
  return ReduceOp::create(b.getBuilder(), b.getLoc(), softmax, reduce.getOver(),
                          ValueRange{reduce.getTerms()[0], value}, reduce.getOnce())
      .getResult(0);
}

/// exp(F) / Σ exp(F); `logarithm` is log Σ exp(F) where that is known.
static Value densityOf(DerivativeBuilder &b, Operation *op, Value logarithm) {
  auto reduce = cast<ReduceOp>(op);
  Value exponent = reduce.getTerms()[0];
  if (!logarithm) {
    auto logSumExp =
        cast<ReductionInterface>(Attribute(LogSumExpAttr::get(b.getBuilder().getContext(), b.getScheme())));
    logarithm = ReduceOp::create(b.getBuilder(), b.getLoc(), logSumExp, reduce.getOver(), exponent, reduce.getOnce())
                    .getResult(0);
  }
  return b.unary<ExpOp>(b.sub(exponent, logarithm));
}

Value LogSumExpAttr::buildDensity(DerivativeBuilder &b, Operation *op) const {
  auto reduce = cast<ReduceOp>(op);
  return densityOf(b, op, reduce.getTerms().size() == 1 ? reduce.getResult(0) : Value());
}

Value LogSumExpAttr::buildWeightedSum(DerivativeBuilder &b, Operation *reduce, Value value) const {
  return meanOver(b, reduce, value);
}

/// With p the density and s = Σ p·G, the tangent of log Σ exp(F)·G is Σ p·(G·dF + dG) / s.
LogicalResult LogSumExpAttr::buildTangent(DerivativeBuilder &b, Operation *op, ArrayRef<Value> tangents,
                                          SmallVectorImpl<Value> &results) const {
  auto reduce = cast<ReduceOp>(op);
  if (tangents.size() == 1) {
    results.push_back(meanOver(b, op, tangents[0]));
    return success();
  }
  Value weights = reduce.getTerms()[1];
  Value numerator = meanOver(b, op, b.add(b.mul(weights, tangents[0]), tangents[1]));
  results.push_back(b.div(numerator, meanOver(b, op, weights)));
  return success();
}

LogicalResult LogSumExpAttr::buildAdjoint(DerivativeBuilder &b, Operation *op, ArrayRef<Value> cotangents,
                                          SmallVectorImpl<TermCotangent> &terms) const {
  auto reduce = cast<ReduceOp>(op);
  if (reduce.getTerms().size() == 1) {
    terms.push_back(cotangentOfTerm(b, 0, cotangents[0]));
    return success();
  }
  Value weights = reduce.getTerms()[1];
  TermCotangent ofWeights = cotangentOfTerm(b, 1, b.div(cotangents[0], meanOver(b, op, weights)));
  terms.push_back(ofWeights);
  terms.push_back({0, b.sum(b.mul(ofWeights.value, weights)), ofWeights.factor});
  return success();
}

/// exp(v − LSE(v)).
FailureOr<Value> LogSumExpAttr::buildFoldGradient(DerivativeBuilder &b, Value operand, Value result) const {
  return b.unary<ExpOp>(b.sub(operand, result));
}

Value SoftmaxAttr::buildDensity(DerivativeBuilder &b, Operation *reduce) const { return densityOf(b, reduce, {}); }

Value SoftmaxAttr::buildWeightedSum(DerivativeBuilder &b, Operation *reduce, Value value) const {
  return meanOver(b, reduce, value);
}

/// With s = Σ p·G, ds = Σ p·(G·dF + dG) − s·Σ p·dF.
LogicalResult SoftmaxAttr::buildTangent(DerivativeBuilder &b, Operation *op, ArrayRef<Value> tangents,
                                        SmallVectorImpl<Value> &results) const {
  auto reduce = cast<ReduceOp>(op);
  Value first = meanOver(b, op, b.add(b.mul(reduce.getTerms()[1], tangents[0]), tangents[1]));
  results.push_back(b.sub(first, b.mul(reduce.getResult(0), meanOver(b, op, tangents[0]))));
  return success();
}

LogicalResult SoftmaxAttr::buildAdjoint(DerivativeBuilder &b, Operation *op, ArrayRef<Value> cotangents,
                                        SmallVectorImpl<TermCotangent> &terms) const {
  auto reduce = cast<ReduceOp>(op);
  TermCotangent ofWeights = cotangentOfTerm(b, 1, cotangents[0]);
  terms.push_back(ofWeights);
  terms.push_back({0, b.sum(b.mul(ofWeights.value, reduce.getTerms()[1])), ofWeights.factor});
  terms.push_back({0, b.constant(1), b.neg(b.sum(b.mul(cotangents[0], reduce.getResult(0))))});
  return success();
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

/// 1 at the first place of an extremum, as the reduction of this kind finds it.
static Value oneHotAt(DerivativeBuilder &b, Attribute argument, Value operand) {
  Value place = FoldOp::create(b.getBuilder(), b.getLoc(), cast<ReductionInterface>(argument), operand);
  return OneHotOp::create(b.getBuilder(), b.getLoc(), place, cast<VecType>(operand.getType()).getDim());
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
