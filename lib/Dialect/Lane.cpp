//===- Lane.cpp - What every lane shares -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Positions that are constants fold here, so a lane only implements the rest.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Keops.h"

#include <limits>

using namespace keops;

Lane::~Lane() = default;
ReductionState::~ReductionState() = default;
ReductionTerm::~ReductionTerm() = default;

LaneIndex Lane::add(LaneIndex a, LaneIndex b) {
  if (a.isConstant() && b.isConstant())
    return a.constant + b.constant;
  if (a.isConstant() && a.constant == 0)
    return b;
  if (b.isConstant() && b.constant == 0)
    return a;
  return indexOp(IndexKind::Add, a, b);
}

LaneIndex Lane::mul(LaneIndex a, int64_t factor) {
  if (a.isConstant())
    return a.constant * factor;
  return factor == 1 ? a : indexOp(IndexKind::Mul, a, factor);
}

LaneIndex Lane::div(LaneIndex a, int64_t divisor) {
  if (a.isConstant())
    return a.constant / divisor;
  return divisor == 1 ? a : indexOp(IndexKind::Div, a, divisor);
}

LaneIndex Lane::rem(LaneIndex a, int64_t divisor) {
  if (a.isConstant())
    return a.constant % divisor;
  return divisor == 1 ? LaneIndex(0) : indexOp(IndexKind::Rem, a, divisor);
}

LaneValue Lane::branchBelow(LaneIndex d, int64_t bound, llvm::function_ref<LaneValue()> below,
                            llvm::function_ref<LaneValue()> otherwise) {
  if (d.isConstant())
    return d.constant < bound ? below() : otherwise();
  return indexBranch(d, bound, below, otherwise);
}

void Lane::addCompensated(LaneValue &sum, LaneValue &compensation, LaneValue term) {
  // No flag allows a compiler to reassociate this into nothing.
  LaneValue exact = sub(term, compensation);
  LaneValue next = add(sum, exact);
  LaneValue lost = sub(sub(next, sum), exact);
  // An infinite sum has lost nothing that a number could say.
  compensation = select(compare(CompareKind::EQ, lost, lost), lost, constant(0));
  sum = next;
}

LaneValue Lane::infinity() { return constant(std::numeric_limits<double>::infinity()); }

LaneValue Lane::integerPower(LaneValue x, int64_t power) {
  // Repeated squaring: few roundings, and the exact products that users expect of small powers.
  uint64_t n = power < 0 ? -static_cast<uint64_t>(power) : power;
  if (n == 0)
    return constant(1);
  LaneValue result;
  bool started = false;
  for (LaneValue square = x; n; n >>= 1) {
    if (n & 1) {
      result = started ? mul(result, square) : square;
      started = true;
    }
    if (n > 1)
      square = mul(square, square);
  }
  return power < 0 ? div(constant(1), result) : result;
}
