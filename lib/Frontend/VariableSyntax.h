//===- VariableSyntax.h - Vi, Vj, Pm and Var in text -------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What alias strings and formulas have in common: both write variables.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_FRONTEND_VARIABLESYNTAX_H
#define KEOPS_LIB_FRONTEND_VARIABLESYNTAX_H

#include "keops/Frontend/Expression.h"

#include <optional>

namespace keops::frontend {

/// A word that makes a variable; `Var` takes the category as an integer.
struct VariableKeyword {
  llvm::StringRef name;
  std::optional<Category> category;
};

/// Null if `name` makes no variable. `Vx` and `Vy` are old names of `Vi` and `Vj`.
const VariableKeyword *findVariableKeyword(llvm::StringRef name);

/// The variable `keyword(integers…)`. The position may be left out where a
/// default is given. None if the integers make no variable.
std::optional<Variable> makeCheckedVariable(const VariableKeyword &keyword, llvm::ArrayRef<int64_t> integers,
                                            std::optional<int64_t> defaultPosition, const SourceRange &where,
                                            Diagnostic &error);

} // namespace keops::frontend

#endif // KEOPS_LIB_FRONTEND_VARIABLESYNTAX_H
