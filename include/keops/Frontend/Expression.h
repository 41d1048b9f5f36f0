//===- Expression.h - A formula as users write it ---------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The formula before it means anything: numbers, variables, and calls of names
// that nobody has looked up yet. Text, C++ operators and Python all make these
// nodes; the builder turns them into IR, the printer back into text.
//
// Nodes are immutable and shared, so a formula is a graph that may be small
// while its text is astronomically long, and may be deeper than any stack. All
// walks therefore go through `forEachNode`, which visits a node once and does
// not recurse; destruction does not recurse either.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_FRONTEND_EXPRESSION_H
#define KEOPS_FRONTEND_EXPRESSION_H

#include "keops/Frontend/Diagnostic.h"
#include "keops/Frontend/Number.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace keops::frontend {

/// What the rows of a variable run over. The values are those of formula text.
enum class Category : uint8_t { I = 0, J = 1, Parameter = 2 };
/// "Vi", "Vj" or "Pm".
llvm::StringRef keywordOf(Category category);

/// Argument number `position` of the call: a vector of `dim` components.
struct Variable {
  int64_t position = 0;
  int64_t dim = 1;
  Category category = Category::I;

  /// "Vi(0,3)".
  std::string str() const;
  bool operator==(const Variable &other) const {
    return position == other.position && dim == other.dim && category == other.category;
  }
};

struct Expression;
using ExpressionRef = std::shared_ptr<const Expression>;

/// An argument of a call: a formula or a list of integers. An integer argument
/// is a formula that is an integer constant; which of the two it is meant to be
/// is for the operation to say.
struct Argument {
  std::variant<ExpressionRef, std::vector<int64_t>> value;

  Argument(ExpressionRef formula) : value(std::move(formula)) {}
  Argument(std::vector<int64_t> integers) : value(std::move(integers)) {}

  bool isList() const { return value.index() == 1; }
  /// The formula; null if this is a list.
  const ExpressionRef &formula() const;
  llvm::ArrayRef<int64_t> list() const { return std::get<1>(value); }
  /// The integer, if this is an integer constant.
  std::optional<int64_t> integer() const;
};

/// A node of a formula; made by the functions below and never changed.
struct Expression {
  enum class Kind : uint8_t { Number, Variable, Call, Reduction };

  Kind kind = Kind::Number;
  /// Number.
  frontend::Number number;
  /// Variable.
  frontend::Variable variable;
  /// Call: as in formula text. Reduction: the canonical name, without `_Reduction`.
  std::string name;
  /// Call: as written. Reduction: the formula, then the weight formula if there is one.
  std::vector<Argument> arguments;
  /// Reduction: the index that the result keeps, I or J; the other one is reduced away.
  Category output = Category::I;
  /// Reduction: how many values a K-reduction keeps, 0 for others.
  int64_t k = 0;
  /// Where the node was written.
  SourceRange where;

  Expression() = default;
  Expression(const Expression &) = delete;
  Expression &operator=(const Expression &) = delete;
  ~Expression();

  bool isNumber() const { return kind == Kind::Number; }
  bool isCall(llvm::StringRef callee) const { return kind == Kind::Call && name == callee; }
};

ExpressionRef makeNumber(const Number &number, SourceRange where = {});
ExpressionRef makeNumber(double value);
ExpressionRef makeVariable(const Variable &variable, SourceRange where = {});
ExpressionRef makeCall(llvm::StringRef name, std::vector<Argument> arguments, SourceRange where = {});
/// `weight` may be null, `k` is 0 unless the reduction keeps several values.
ExpressionRef makeReduction(llvm::StringRef name, ExpressionRef formula, Category output, int64_t k = 0,
                            ExpressionRef weight = nullptr, SourceRange where = {});

/// What the operator `symbol` of formula text means between `operands` (one or
/// two): a call, or a number if all operands are numbers. Null if that number
/// does not exist, with the reason in `why`. Symbols: + - * / // % ** | < <= >
/// >= == != and unary + -.
ExpressionRef applyOperator(llvm::StringRef symbol, llvm::ArrayRef<ExpressionRef> operands, SourceRange where,
                            std::string &why);

/// Calls `visit` once for each node under `root`, operands before their users.
void forEachNode(const Expression &root, llvm::function_ref<void(const Expression &)> visit);

/// True if both formulas have the same tree, whatever is shared in either.
bool structurallyEqual(const Expression &a, const Expression &b);

} // namespace keops::frontend

#endif // KEOPS_FRONTEND_EXPRESSION_H
