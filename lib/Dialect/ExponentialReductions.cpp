//===- ExponentialReductions.cpp - Log-sum-exp and softmax -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Both keep a running maximum and sums that are scaled by it.
//
// The maximum starts at the lowest finite number and stops at the largest, so
// no difference of infinities arises: a term −inf gives exp(−inf) = 0, a term
// +inf gives exp(+inf) = +inf, and neither needs a test per pair.
//
//===----------------------------------------------------------------------===//

#include "ReductionParts.h"

#include <cmath>

using namespace mlir;
using namespace keops;

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
  void raiseMaximum(LaneValue rises, LaneValue maximum);
  void raiseForTerms(LaneValue rises, LaneValue maximum, ArrayRef<ReductionTerm *> chunk, ArrayRef<LaneValue> terms,
                     MutableArrayRef<LaneValue> differences);
  void accumulateTestingWeights(ArrayRef<ReductionTerm *> chunk);

  Lane &lane;
  ReductionState &state;
  SumScheme scheme;
  bool isMean, isWeighted;
};
} // namespace

/// Raises the maximum where `rises`, to at most the largest finite number, and
/// scales the sums.
void Exponential::raiseMaximum(LaneValue rises, LaneValue maximum) {
  LaneValue largest = lane.largest();
  maximum = lane.select(lane.less(largest, maximum), largest, maximum);
  maximum = lane.select(rises, maximum, state.get(kMaximum, 0));
  LaneValue scale = lane.boundedExp(lane.sub(state.get(kMaximum, 0), maximum));
  state.set(kMaximum, 0, maximum);
  forEachSum([&](RunningSum &sum, unsigned, LaneIndex) { sum.scale(scale); });
}

/// Raises the maximum to `maximum` where `rises`, and sets the differences of `terms` from it. A term +inf is added
/// here; for the bounded exponential it becomes a finite one.
void Exponential::raiseForTerms(LaneValue rises, LaneValue maximum, ArrayRef<ReductionTerm *> chunk,
                                ArrayRef<LaneValue> terms, MutableArrayRef<LaneValue> differences) {
  raiseMaximum(rises, maximum);
  for (auto [column, term, difference] : llvm::zip(chunk, terms, differences)) {
    LaneValue infinite = lane.less(lane.largest(), term);
    forEachSum([&, column = column](RunningSum &sum, unsigned slot, LaneIndex d) {
      sum.add(lane.select(infinite, share(lane.infinity(), column, slot, d), lane.constant(0)));
    });
    difference = lane.sub(lane.select(infinite, lane.largest(), term), state.get(kMaximum, 0));
  }
}

void Exponential::accumulate(ArrayRef<ReductionTerm *> chunk) {
  if (lane.hasExpOfDifference())
    return accumulateTestingWeights(chunk);
  // Differences are tested rather than terms, because they are needed anyway. A NaN may hide another term of its lane,
  // which then has no sum to lose.
  SmallVector<LaneValue> terms, differences;
  LaneValue shift = state.get(kMaximum, 0), largest;
  for (ReductionTerm *term : chunk) {
    terms.push_back(term->get(0, 0));
    differences.push_back(lane.sub(terms.back(), shift));
    largest = differences.size() == 1 ? differences.back() : lane.larger(differences.back(), largest);
  }
  LaneValue rises = lane.less(lane.constant(kSlack), largest);
  auto exceed = [&] {
    LaneValue maximum = terms.front();
    for (LaneValue term : llvm::drop_begin(terms))
      maximum = lane.larger(term, maximum);
    raiseForTerms(rises, maximum, chunk, terms, differences);
  };
  lane.ifAny(rises, exceed, differences);
  SmallVector<LaneValue> weights;
  for (LaneValue difference : differences)
    weights.push_back(lane.boundedExp(difference));
  forEachSum([&](RunningSum &sum, unsigned slot, LaneIndex d) {
    for (auto [term, weight] : llvm::zip(chunk, weights))
      sum.add(share(weight, term, slot, d));
  });
}

/// The same where differences are not computed for themselves: what is tested is the sum of the weights, which is large
/// if one of the terms is. A maximum too large for `expOfDifference`, as that of no column is, goes the rare way.
void Exponential::accumulateTestingWeights(ArrayRef<ReductionTerm *> chunk) {
  SmallVector<LaneValue> terms, weights; // and the sum of the weights, last
  LaneValue shift = state.get(kMaximum, 0);
  auto addUp = [&] {
    LaneValue total = weights.front();
    for (LaneValue weight : ArrayRef(weights).drop_front().take_front(chunk.size() - 1))
      total = lane.add(total, weight);
    return total;
  };
  for (ReductionTerm *term : chunk) {
    terms.push_back(term->get(0, 0));
    weights.push_back(lane.expOfDifference(terms.back(), shift));
  }
  weights.push_back(addUp());
  LaneValue isFar = lane.less(lane.mul(lane.largest(), lane.constant(0.5)), lane.unary(UnaryKind::Abs, shift));
  LaneValue rises = lane.maskOr(lane.less(lane.constant(std::exp(kSlack)), weights.back()), isFar);
  auto exceed = [&] {
    LaneValue maximum = shift;
    for (LaneValue term : terms)
      maximum = lane.larger(term, maximum);
    auto differences = MutableArrayRef(weights).drop_back();
    raiseForTerms(rises, maximum, chunk, terms, differences);
    for (LaneValue &difference : differences)
      difference = lane.boundedExp(difference);
    weights.back() = addUp();
  };
  lane.ifAny(rises, exceed, weights);
  forEachSum([&](RunningSum &sum, unsigned slot, LaneIndex d) {
    // Schemes that keep what a sum loses want each term.
    if (scheme == SumScheme::Blocks && !(isWeighted && slot == kSums))
      return sum.add(weights.back());
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

//===----------------------------------------------------------------------===//
// logsumexp
//===----------------------------------------------------------------------===//

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

bool LogSumExpAttr::hasRareWork() const { return true; }

bool LogSumExpAttr::isExponent(unsigned number) const { return number == 0; }

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

//===----------------------------------------------------------------------===//
// softmax
//===----------------------------------------------------------------------===//

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

bool SoftmaxAttr::hasRareWork() const { return true; }

bool SoftmaxAttr::isExponent(unsigned number) const { return number == 0; }

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

//===----------------------------------------------------------------------===//
// Derivatives of both
//
// The density p = exp(F) / Σ exp(F) needs a pass of its own; a sum over the
// reduced index with weights p does not, since it is a mean.
//===----------------------------------------------------------------------===//

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

// A mean, whose weights are fixed then.
bool SoftmaxAttr::isLinearIn(const llvm::SmallBitVector &variable) const { return !variable.test(0); }

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
