//===- FormulaPrinter.h - Expressions to text --------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The inverse of the parser: text that reads back as the same expression.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_FRONTEND_FORMULAPRINTER_H
#define KEOPS_FRONTEND_FORMULAPRINTER_H

#include "keops/Frontend/FormulaParser.h"

namespace keops::frontend {

/// Formula or reduction text for `root`, with operators where text has them and
/// no parentheses but the needed ones. Variables have the names of `aliases`, or
/// appear as Var(position,dim,category). Text has no sharing: a formula whose
/// text would be longer than `maxSize` characters has none, nor has one with an
/// infinite number; `error` says which.
std::optional<std::string> printFormula(const Expression &root, llvm::ArrayRef<Declaration> aliases, Diagnostic &error,
                                        size_t maxSize = size_t(1) << 20);

} // namespace keops::frontend

#endif // KEOPS_FRONTEND_FORMULAPRINTER_H
