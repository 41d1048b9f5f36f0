//===- SpecialSpellings.cpp - Logic, indices and special functions ------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Names beyond those of PyKeOps, and its operations that are algorithms.
//
//===----------------------------------------------------------------------===//

#include "CoreOps.h"

using namespace keops;
using namespace keops::frontend;

//===----------------------------------------------------------------------===//
// Logic: a number that is not 0 is true, NaN included
//===----------------------------------------------------------------------===//

static Value isTrue(Emitter &e, Value f) { return compare(e, Comparison::NE, f, e.constant(0)); }

static Value logicalAnd(Emitter &e) {
  return indicator(e, isTrue(e, select(e, isTrue(e, e.operand(0)), e.operand(1), e.constant(0))));
}
static Value logicalOr(Emitter &e) {
  return indicator(e, isTrue(e, select(e, isTrue(e, e.operand(0)), e.constant(1), e.operand(1))));
}

//===----------------------------------------------------------------------===//
// Smooth steps: neither overflows, and both sides of 0 have their derivative
//===----------------------------------------------------------------------===//

/// exp(−|x|).
static Value decay(Emitter &e) {
  Value x = e.operand(0);
  return exp(e, select(e, less(e, x, e.constant(0)), x, neg(e, x)));
}

static Value sigmoid(Emitter &e) {
  Value u = decay(e), one = e.constant(1);
  return div(e, select(e, less(e, e.operand(0), e.constant(0)), u, one), add(e, one, u));
}

static Value softplus(Emitter &e) {
  Value x = e.operand(0), zero = e.constant(0);
  return add(e, select(e, less(e, x, zero), zero, x), e.emit<Log1pOp>(decay(e)));
}

//===----------------------------------------------------------------------===//
// Splines and series
//===----------------------------------------------------------------------===//

static Value bspline(Emitter &e) {
  return e.emit<BSplineOp>({e.operand(0), e.operand(1)}, e.named("degree", e.integer(2)));
}

static Value softDTW(Emitter &e) {
  Value x = e.operand(0), y = e.operand(1);
  if (!x || !y)
    return {};
  if (dimOf(x) > maxDim / dimOf(y))
    return e.fail("compares series of " + llvm::Twine(dimOf(x)) + " and " + llvm::Twine(dimOf(y)) +
                  " numbers; their product may be at most " + llvm::Twine(maxDim));
  return slice(e, e.emit<SoftDTWOp>({x, y, e.operand(2)}), dimOf(x) * dimOf(y) - 1, 1);
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

llvm::ArrayRef<Spelling> keops::frontend::specialSpellings() {
  static const Spelling table[] = {
      {"And", "ff", 0, logicalAnd},
      {"Or", "ff", 0, logicalOr},
      {"Not", "f", 0, KEOPS_EXPAND(indicator(e, compare(e, Comparison::EQ, e.operand(0), e.constant(0))))},
      {"Index_i", "", 0, KEOPS_EXPAND(e.indexNumber(IndexSet::I))},
      {"Index_j", "", 0, KEOPS_EXPAND(e.indexNumber(IndexSet::J))},
      {"Sigmoid", "f", 0, sigmoid},
      {"Softplus", "f", 0, softplus},
      {"BSpline", "ffi", 0, bspline},
      {"SoftDTW_SqDist", "fff", 0, softDTW},
  };
  return table;
}
