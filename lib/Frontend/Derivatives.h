//===- Derivatives.h - Derivatives in formula text ----------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What is special about the names of derivatives: some take a reduction as
// their first argument, and leave an argument out or have it as a tuple.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_FRONTEND_DERIVATIVES_H
#define KEOPS_LIB_FRONTEND_DERIVATIVES_H

#include "keops/Frontend/Expression.h"

#include "mlir/IR/Value.h"

namespace keops::frontend {

class Emitter;

/// True if `name` is a derivative that reductions have, too.
bool takesReduction(llvm::StringRef name);

/// `callee` of `formula` in several variables at once, which is the sum of its
/// results for each. The lists have equal lengths.
ExpressionRef makeDirectionalDerivative(llvm::StringRef callee, const ExpressionRef &formula,
                                        llvm::ArrayRef<ExpressionRef> variables,
                                        llvm::ArrayRef<ExpressionRef> directions, const SourceRange &where);

// Spellings.
mlir::Value gradient(Emitter &e);
mlir::Value directionalDerivative(Emitter &e);
mlir::Value gradientMatrix(Emitter &e);
mlir::Value divergence(Emitter &e);
mlir::Value laplacian(Emitter &e);
mlir::Value traceOperator(Emitter &e);
mlir::Value adjointOperator(Emitter &e);
mlir::Value sumLinearOperator(Emitter &e);

} // namespace keops::frontend

#endif // KEOPS_LIB_FRONTEND_DERIVATIVES_H
