//===- RefineTypes.h - Types after an operand has changed its indices -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A rewriting may find that a value depends on fewer indices than its type said.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_TRANSFORMS_REFINETYPES_H
#define KEOPS_LIB_TRANSFORMS_REFINETYPES_H

#include "keops/Dialect/Keops.h"

namespace keops {

/// Infers the result types of `op` again.
void refineTypes(mlir::Operation *op);

/// Removes what nothing uses, and declares the results with the types that they have.
void finishRewriting(FormulaFuncOp formula);

} // namespace keops

#endif // KEOPS_LIB_TRANSFORMS_REFINETYPES_H
