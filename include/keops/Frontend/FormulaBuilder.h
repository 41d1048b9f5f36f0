//===- FormulaBuilder.h - Expressions to IR -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one way from an expression, parsed from text or made by C++ operators, to
// a `keops.formula`. Spellings that users type are expanded here into the
// dialect's core ops.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_FRONTEND_FORMULABUILDER_H
#define KEOPS_FRONTEND_FORMULABUILDER_H

#include "keops/Dialect/Keops.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace keops::frontend {

struct Program;
struct Diagnostic;
struct Expression;

/// Builds a module that holds `keops.formula @formula` with one block argument
/// per argument of the call, in order of position, and `keops.return` of the
/// results of all roots of the program: those of a reduction, or the formula's
/// value if that depends on at most one index. All arrays of numbers hold
/// `storage`, which is f32, f64, or f16 or bf16, with which f32 is computed.
/// `scheme` is how a reduction that adds does so. On failure the result is null
/// and `error` says why and where.
mlir::OwningOpRef<mlir::ModuleOp> buildModule(mlir::MLIRContext &context, const Program &program, mlir::Type storage,
                                              Diagnostic &error, SumScheme scheme = SumScheme::Blocks);
/// The type that command lines call `name`: f16, bf16, f32 or f64, or those as
/// "float16" and so on. Null if there is none.
mlir::Type storageNamed(mlir::MLIRContext &context, llvm::StringRef name);

/// Components of `formula`, which may depend on both indices; of the first result
/// if it is a reduction. None, with an error, if it has no meaning.
std::optional<int64_t> dimensionOf(const std::shared_ptr<const Expression> &formula, Diagnostic &error);

/// A variable for the cotangent that `call`, a Grad of two arguments, leaves
/// out: it stands at `position`, and depends on the index that the variable does
/// not depend on, or for a reduction on the index of its result. Null, with an
/// error, if there is no such variable.
std::shared_ptr<const Expression> makeCotangent(const Expression &call, int64_t position, Diagnostic &error);

/// Names of all operations that formula text may call, sorted: those the
/// registered ops of the dialect spell, and the spellings made of several.
std::vector<std::string> operationNames(mlir::MLIRContext &context);

} // namespace keops::frontend

#endif // KEOPS_FRONTEND_FORMULABUILDER_H
