//===- ReductionExpression.h - Reductions of the C++ door as expressions ----===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the user has put together in C++, as formula text would have it.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_ENGINE_REDUCTIONEXPRESSION_H
#define KEOPS_LIB_ENGINE_REDUCTIONEXPRESSION_H

#include "keops/Frontend/Expression.h"
#include "keops/Keops.h"

namespace keops {

/// The reduction inside the calls of its derivatives; throws Error if its name,
/// K or weight make no sense.
frontend::ExpressionRef expressionOf(const Reduction &reduction);

} // namespace keops

#endif // KEOPS_LIB_ENGINE_REDUCTIONEXPRESSION_H
