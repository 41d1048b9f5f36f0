//===- ReductionNames.h - From the name of a reduction to its monoid --------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What the builder of formulas asks of the table of names; others ask through
// FormulaParser.h.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_FRONTEND_REDUCTIONNAMES_H
#define KEOPS_LIB_FRONTEND_REDUCTIONNAMES_H

#include "keops/Dialect/Keops.h"
#include "keops/Frontend/FormulaParser.h"

namespace keops::frontend {

/// The monoid of `reduction`, which has a canonical name; null if none computes it.
ReductionInterface reductionOf(mlir::MLIRContext *context, const Expression &reduction, SumScheme scheme);

} // namespace keops::frontend

#endif // KEOPS_LIB_FRONTEND_REDUCTIONNAMES_H
