//===- FactorizeReductions.h - Rewritings of reductions ---------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What `keops-factorize` does to reductions. Each function rewrites one and
// returns true, or leaves everything as it was and returns false.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_TRANSFORMS_FACTORIZEREDUCTIONS_H
#define KEOPS_LIB_TRANSFORMS_FACTORIZEREDUCTIONS_H

#include "Products.h"

namespace keops {

/// True if `reduce` has one result, which is linear in its last term alone.
bool isLinear(ReduceOp reduce);

/// Applies what the reduction commutes with to its result instead of its terms.
bool hoist(ReduceOp reduce);

/// Sums with the density of another reduction in that reduction's way.
bool useDensity(ReduceOp reduce, SumScheme scheme);

/// Finds the reduction as a linear op of one that stands before it.
bool reuse(ReduceOp reduce);

/// Sums the two parts of a difference apart.
bool expandDifference(ReduceOp reduce);

/// Makes a sum of two reductions one reduction, if their terms share factors.
bool joinReductions(mlir::Operation *sum);

} // namespace keops

#endif // KEOPS_LIB_TRANSFORMS_FACTORIZEREDUCTIONS_H
