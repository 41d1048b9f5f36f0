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
// Gamma function
//===----------------------------------------------------------------------===//

static Value polygamma(Emitter &e, int64_t order) { return e.emit<PolygammaOp>(e.operand(0), e.named("order", order)); }

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
      {"Digamma", "f", 0, KEOPS_EXPAND(polygamma(e, 0))},
      {"Polygamma", "fi", 0, KEOPS_EXPAND(polygamma(e, e.integer(1)))},
      {"BSpline", "ffi", 0, bspline},
      {"SoftDTW_SqDist", "fff", 0, softDTW},
  };
  return table;
}
