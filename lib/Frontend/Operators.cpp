//===- Operators.cpp - The binary operators of formula text -----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An operator between numbers is arithmetic, done at once; any other operator is
// a call. A power with a constant exponent chooses the cheapest operation that
// computes it.
//
//===----------------------------------------------------------------------===//

#include "Operators.h"
#include "keops/Frontend/Expression.h"

#include <cmath>

using namespace keops::frontend;

llvm::ArrayRef<BinaryOperator> keops::frontend::binaryOperators() {
  static const BinaryOperator table[] = {
      {"<", Comparison, "LessThan", false},
      {"<=", Comparison, "LessOrEqual", false},
      {">", Comparison, "LessThan", true},
      {">=", Comparison, "LessOrEqual", true},
      {"==", Comparison, "Equal", false},
      {"!=", Comparison, "NotEqual", false},
      {"|", Bar, "Scalprod", false},
      {"+", Sum, "Add", false},
      {"-", Sum, "Subtract", false},
      {"*", Product, "Mult", false},
      {"/", Product, "Divide", false},
      {"//", Product, "", false},
      {"%", Product, "", false},
      {"**", Power, "", false},
  };
  return table;
}

const BinaryOperator *keops::frontend::findBinaryOperator(llvm::StringRef symbol) {
  for (const BinaryOperator &entry : binaryOperators())
    if (entry.symbol == symbol)
      return &entry;
  return nullptr;
}

const BinaryOperator *keops::frontend::findOperatorOf(llvm::StringRef operation) {
  for (const BinaryOperator &entry : binaryOperators())
    if (!operation.empty() && entry.operation == operation && !entry.swapped)
      return &entry;
  return nullptr;
}

/// A number that arithmetic applies to; programs may pass infinities and NaN,
/// which are left to the operations.
static bool isConstant(const ExpressionRef &expression) {
  return expression->isNumber() && std::isfinite(expression->number.value);
}

/// base ** exponent, of which at most one is a number.
static ExpressionRef power(const ExpressionRef &base, const ExpressionRef &exponent, SourceRange where) {
  if (exponent->isNumber()) {
    const Number &number = exponent->number;
    if (number.isInteger() && number.numerator == 2)
      return makeCall("Square", {base}, where);
    if (number.isInteger())
      return makeCall("Pow", {base, exponent}, where);
    if (number.value == 0.5)
      return makeCall("Sqrt", {base}, where);
    if (number.value == -0.5)
      return makeCall("Rsqrt", {base}, where);
  }
  return makeCall("Powf", {base, exponent}, where);
}

ExpressionRef keops::frontend::applyOperator(llvm::StringRef symbol, llvm::ArrayRef<ExpressionRef> operands,
                                             SourceRange where, std::string &why) {
  if (operands.size() == 1) {
    const ExpressionRef &operand = operands[0];
    if (symbol == "+")
      return operand;
    if (!isConstant(operand))
      return makeCall("Minus", {operand}, where);
    return makeNumber(*evaluate("-", Number::of(0), operand->number, why), where);
  }
  const ExpressionRef &a = operands[0], &b = operands[1];
  const BinaryOperator *entry = findBinaryOperator(symbol);
  if (!entry) {
    why = "there is no operator " + quoted(symbol);
    return nullptr;
  }
  bool arithmetic = entry->precedence == Sum || entry->precedence == Product || entry->precedence == Power;
  if (arithmetic && isConstant(a) && isConstant(b)) {
    std::optional<Number> result = evaluate(symbol, a->number, b->number, why);
    return result ? makeNumber(*result, where) : nullptr;
  }
  if (symbol == "**")
    return power(a, b, where);
  if (symbol == "//")
    return makeCall("Floor", {makeCall("Divide", {a, b}, where)}, where);
  if (symbol == "%")
    return makeCall("Mod", {a, b, makeNumber(Number::of(0), where)}, where);
  return entry->swapped ? makeCall(entry->operation, {b, a}, where) : makeCall(entry->operation, {a, b}, where);
}
