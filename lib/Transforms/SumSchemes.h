//===- SumSchemes.h - How a formula adds ------------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// New reductions of a formula add as those that it has.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_TRANSFORMS_SUMSCHEMES_H
#define KEOPS_LIB_TRANSFORMS_SUMSCHEMES_H

#include "keops/Dialect/Keops.h"

namespace keops {

/// The most accurate scheme among the formula's reductions.
inline SumScheme schemeOf(FormulaFuncOp formula) {
  SumScheme scheme = SumScheme::Blocks;
  formula.walk([&](ReduceOp reduce) { scheme = std::max(scheme, reduce.getReduction().getScheme()); });
  return scheme;
}

} // namespace keops

#endif // KEOPS_LIB_TRANSFORMS_SUMSCHEMES_H
