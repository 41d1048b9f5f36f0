//===- ReductionParts.cpp - What several reductions share -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each function is described where it is declared.
//
//===----------------------------------------------------------------------===//

#include "ReductionParts.h"

#include <limits>

using namespace mlir;
using namespace keops;

LogicalResult keops::expectTerms(ArrayRef<int64_t> dims, size_t least, size_t most, StringRef name,
                                 function_ref<InFlightDiagnostic()> emitError) {
  if (dims.size() >= least && dims.size() <= most)
    return success();
  InFlightDiagnostic diagnostic = emitError() << "reduction '" << name << "' expects " << least;
  if (most != least)
    diagnostic << " or " << most;
  return diagnostic << (most == 1 ? " formula" : " formulas") << ", got " << dims.size();
}

void keops::addSumSlots(SmallVectorImpl<StateSlot> &slots, SumScheme scheme, int64_t count) {
  slots.push_back({scheme == SumScheme::F64 ? StateSlot::Kind::WideSum : StateSlot::Kind::Sum, count, false});
  if (scheme == SumScheme::Kahan)
    slots.push_back({StateSlot::Kind::Sum, count, false});
}

void keops::initSum(Lane &lane, ReductionState &state, SumScheme scheme, unsigned slot, LaneIndex d) {
  state.set(slot, d, lane.constant(0));
  if (scheme == SumScheme::Kahan)
    state.set(slot + 1, d, lane.constant(0));
}

TermCotangent keops::cotangentOfTerm(DerivativeBuilder &b, unsigned term, Value cotangent) {
  if (cast<VecType>(cotangent.getType()).isScalar())
    return {term, b.constant(1), cotangent};
  return {term, cotangent, {}};
}

Value keops::oneHotAt(DerivativeBuilder &b, Attribute argument, Value operand) {
  Value place = FoldOp::create(b.getBuilder(), b.getLoc(), cast<ReductionInterface>(argument), operand);
  return OneHotOp::create(b.getBuilder(), b.getLoc(), place, cast<VecType>(operand.getType()).getDim());
}

Places::Places(DerivativeBuilder &b, Operation *op, Attribute kind, bool isMax) : b(b) {
  auto reduce = cast<ReduceOp>(op);
  over = reduce.getOver();
  dim = cast<VecType>(reduce.getTerms()[0].getType()).getDim();
  auto places = ReduceOp::create(b.getBuilder(), b.getLoc(), cast<ReductionInterface>(kind), over, reduce.getTerms(),
                                 reduce.getOnce());
  values = places.getResult(0);
  rows = places.getResult(1);
  // What nothing was found for says row 0, which has no part in it.
  constexpr double infinity = std::numeric_limits<double>::infinity();
  isFound = isMax ? b.compare(Comparison::LT, b.constant(-infinity), values)
                  : b.compare(Comparison::LT, values, b.constant(infinity));
}

Value Places::tangent(Value ofTerm) {
  Value gathered = GatherOp::create(b.getBuilder(), b.getLoc(), b.fit(ofTerm, dim), over, rows, dim);
  return b.select(isFound, gathered, {});
}

Value Places::adjoint(Value ofValues) {
  Value masked = b.select(isFound, b.fit(ofValues, cast<VecType>(values.getType()).getDim()), {});
  return ScatterOp::create(b.getBuilder(), b.getLoc(), masked, over, rows, dim, /*total=*/false);
}

LogicalResult keops::tangentsAt(function_ref<Places()> places, bool givesValue, bool givesIndex,
                                ArrayRef<Value> tangents, SmallVectorImpl<Value> &results) {
  if (givesValue)
    results.push_back(tangents[0] ? places().tangent(tangents[0]) : Value());
  if (givesIndex)
    results.push_back({});
  return success();
}

LogicalResult keops::adjointsAt(function_ref<Places()> places, bool givesValue, ArrayRef<Value> cotangents,
                                SmallVectorImpl<TermCotangent> &terms) {
  if (givesValue && cotangents[0])
    terms.push_back({0, places().adjoint(cotangents[0]), {}});
  return success();
}
