//===- FormulaParser.h - Text to expressions --------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Formula text, alias strings and reduction strings. Every function here is
// total: any bytes give a result or a diagnostic, in time linear in their
// number. Operations are known only by their signatures, which the caller
// brings along.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_FRONTEND_FORMULAPARSER_H
#define KEOPS_FRONTEND_FORMULAPARSER_H

#include "keops/Frontend/Diagnostic.h"
#include "keops/Frontend/Expression.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringMap.h"

#include <optional>
#include <string>
#include <vector>

namespace keops::frontend {

/// Parentheses, calls and powers may be nested this deep in text.
constexpr unsigned maxNesting = 500;
/// Bounds on what a variable may ask for.
constexpr int64_t maxPosition = 65535;
constexpr int64_t maxDim = (int64_t(1) << 31) - 1;

//===----------------------------------------------------------------------===//
// Operations, as far as text needs to know them
//===----------------------------------------------------------------------===//

/// The arguments of an operation, one letter each: `f` a formula, `i` an
/// integer, `l` a list of integers, `v` a variable. The last `optional` of them
/// may be missing.
struct Signature {
  std::string kinds;
  unsigned optional = 0;
};

/// Every operation that formula text may call.
using Vocabulary = llvm::StringMap<Signature>;

/// The operations that the dialect's ops and the builder's spellings give names to.
const Vocabulary &knownOperations();

/// "formula, integer, integer (optional)".
std::string describeArguments(const Signature &signature);

/// What is wrong with the arguments of `call`, if anything.
std::optional<Diagnostic> checkArguments(const Expression &call, const Signature &signature);

//===----------------------------------------------------------------------===//
// Aliases
//===----------------------------------------------------------------------===//

/// An argument of the call, under the name that the formula uses for it; the
/// name is empty if the formula refers to it only as Var(position,dim,category).
struct Declaration {
  std::string name;
  Variable variable;
  SourceRange where;

  /// "x = Vi(0,3)".
  std::string str() const;
};

/// One alias string, such as "x = Vi(3)", "Pm(2,1)" or "y = Var(1,3,1)". A form
/// without a position stands at `defaultPosition`.
std::optional<Declaration> parseAlias(llvm::StringRef text, int64_t defaultPosition, Diagnostic &error);

/// A list of alias strings, in the order of their positions, which must be
/// 0 … n-1, each once.
std::optional<std::vector<Declaration>> parseAliases(llvm::ArrayRef<std::string> texts, Diagnostic &error);

/// All arguments of `root` in the order of their positions: the declared ones,
/// used or not, and any further variables of the formula. None if a variable
/// contradicts a declaration or another variable, or a position is missing.
std::optional<std::vector<Declaration>> collectArguments(const Expression &root, llvm::ArrayRef<Declaration> declared,
                                                         Diagnostic &error);

//===----------------------------------------------------------------------===//
// Formulas and reductions
//===----------------------------------------------------------------------===//

/// Null if there is an error.
ExpressionRef parseFormula(llvm::StringRef text, llvm::ArrayRef<Declaration> aliases, const Vocabulary &vocabulary,
                           Diagnostic &error);

/// `Sum_Reduction(formula, 0)` and what is made of its like; null if there is an
/// error. The last integer is the category of the result: 0 keeps i, 1 keeps j.
ExpressionRef parseReduction(llvm::StringRef text, llvm::ArrayRef<Declaration> aliases, const Vocabulary &vocabulary,
                             Diagnostic &error);

/// True if the formula holds a reduction and has rows: it depends on one index or none.
bool isReduction(const Expression &root);
/// The index that the rows of such a result run over; Parameter if it has one row.
Category resultCategory(const Expression &root);

/// A formula or a reduction, and all arguments of its call in order of position.
struct Program {
  ExpressionRef root;
  std::vector<Declaration> arguments;
  /// More of the kind, of the same arguments: their results come after those of
  /// `root`, from the same kernel.
  std::vector<ExpressionRef> also = {};

  /// Calls `visit` once for `root` and once for each of `also`.
  void forEachRoot(llvm::function_ref<void(const Expression &)> visit) const;
};

/// The program of `root` and alias strings; none if they contradict each other.
std::optional<Program> makeProgram(ExpressionRef root, llvm::ArrayRef<std::string> aliases, Diagnostic &error,
                                   llvm::ArrayRef<ExpressionRef> also = {});

/// A formula or a reduction of known operations, with its alias strings.
std::optional<Program> parseProgram(llvm::StringRef text, llvm::ArrayRef<std::string> aliases, Diagnostic &error,
                                    llvm::ArrayRef<std::string> also = {});

/// How a reduction is called and what it takes besides its formula.
struct ReductionInfo {
  enum class Weight : uint8_t { None, Optional, Required };

  llvm::StringRef name; ///< canonical, for example "KMin_ArgKMin"
  bool takesK = false;
  Weight weight = Weight::None;
  bool adds = false;      ///< so that a scheme of summation means something
  bool isComputed = true; ///< false for what other programs name and nobody calls
};

/// Finds a reduction under any of its names, with or without `_Reduction`,
/// underscores and capitals ("Min_ArgMin", "MinArgMin", "min_argmin"); none if
/// there is no such reduction.
std::optional<ReductionInfo> findReduction(llvm::StringRef name);

/// All reductions, each once.
std::vector<ReductionInfo> allReductions();

/// What is wrong with the K and the weight of `reduction`, if anything.
std::optional<Diagnostic> checkReduction(const Expression &reduction);

} // namespace keops::frontend

#endif // KEOPS_FRONTEND_FORMULAPARSER_H
