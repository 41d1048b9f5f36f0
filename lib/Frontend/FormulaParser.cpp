//===- FormulaParser.cpp - Text to expressions -------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Precedence climbing. Only parentheses, calls and exponents recurse, and their
// nesting is bounded; chains of operators and signs, which text may hold by the
// million, are loops. Every function returns null after it has set the error.
// What makes messages is apart from what recurses, whose frames stay small.
//
//===----------------------------------------------------------------------===//

#include "Operators.h"
#include "Parser.h"

#include "llvm/ADT/SmallVector.h"

#include <algorithm>

using namespace keops::frontend;

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

/// `(a<b)*(b<c)` for the chain `a<b<c`, if that is short enough to show.
LLVM_ATTRIBUTE_NOINLINE static std::string suggestProduct(const SourceRange &left, const SourceRange &middle,
                                                          llvm::StringRef symbol, const SourceRange &right) {
  std::string text = "(" + left.str().str() + ")*(" + middle.str().str() + symbol.str() + right.str().str() + ")";
  return text.size() > 60 ? "(a<b)*(b<c)" : text;
}

LLVM_ATTRIBUTE_NOINLINE std::nullptr_t Parser::refuseChain(const std::string &product, const Token &symbol) {
  return fail("a chain of comparisons does not mean both of them; write their product: " + product,
              stream.range(symbol));
}

ExpressionRef Parser::parseExpression(int loosest) {
  Token first = stream.peek();
  ExpressionRef left = parseSigned();
  bool compared = false;
  SourceRange leftText = stream.rangeSince(first), middleText;
  while (left && stream.at(Token::Kind::Symbol)) {
    const BinaryOperator *entry = findBinaryOperator(stream.str(stream.peek()));
    if (!entry || entry->precedence < loosest)
      return left;
    Token token = stream.take(), second = stream.peek();
    // Operators of one precedence group from the left.
    ExpressionRef right = parseExpression(entry->precedence + 1);
    if (!right)
      return nullptr;
    SourceRange rightText = stream.rangeSince(second);
    if (entry->precedence == Comparison && compared)
      return refuseChain(suggestProduct(leftText, middleText, entry->symbol, rightText), token);
    compared = entry->precedence == Comparison;
    leftText = stream.rangeSince(first);
    middleText = rightText;
    std::string why;
    left = applyOperator(entry->symbol, {left, right}, leftText, why);
    if (!left)
      return fail(why, stream.range(token));
  }
  return left;
}

ExpressionRef Parser::parseSigned() {
  llvm::SmallVector<Token, 0> signs;
  while (stream.at("-") || stream.at("+"))
    signs.push_back(stream.take());
  ExpressionRef operand = parsePower();
  std::string why;
  while (operand && !signs.empty()) {
    Token sign = signs.pop_back_val();
    operand = applyOperator(stream.str(sign), {operand}, stream.rangeSince(sign), why);
  }
  return operand;
}

ExpressionRef Parser::parsePower() {
  Token first = stream.peek();
  ExpressionRef base = parsePostfix();
  if (!base || !stream.at("**"))
    return base;
  Nesting nesting(depth);
  if (tooDeep())
    return nullptr;
  Token token = stream.take();
  // `**` groups from the right, and its exponent may carry a sign.
  ExpressionRef exponent = parseSigned();
  if (!exponent)
    return nullptr;
  std::string why;
  ExpressionRef result = applyOperator("**", {base, exponent}, stream.rangeSince(first), why);
  return result ? result : fail(why, stream.range(token));
}

//===----------------------------------------------------------------------===//
// Operands
//===----------------------------------------------------------------------===//

ExpressionRef Parser::parsePostfix() {
  Token first = stream.peek();
  ExpressionRef base = parseAtom();
  while (base && stream.at("["))
    base = parseSubscript(base, first);
  return base;
}

ExpressionRef Parser::parseAtom() {
  const Token &token = stream.peek();
  switch (token.kind) {
  case Token::Kind::Number:
    return parseNumber();
  case Token::Kind::Name:
    return parseName();
  case Token::Kind::End:
  case Token::Kind::Symbol:
    return stream.at("(") ? parseParenthesis() : missingFormula();
  }
  llvm_unreachable("all kinds are handled");
}

LLVM_ATTRIBUTE_NOINLINE std::nullptr_t Parser::missingFormula() {
  const Token &token = stream.peek();
  if (token.kind == Token::Kind::End)
    return fail("a formula is missing at the end", stream.range(token));
  if (stream.at("["))
    return fail("a list of integers can only stand as an argument of an operation that takes one", stream.range(token));
  return fail("expected a formula, got " + stream.describe(token), stream.range(token));
}

ExpressionRef Parser::parseNumber() {
  Token token = stream.take();
  // Decimal conversion of very long numbers is slow, and no double needs them.
  constexpr size_t longest = 1000;
  llvm::StringRef text = stream.str(token);
  if (text.size() > longest)
    return fail("a number has at most " + std::to_string(longest) + " characters, this one has " +
                    std::to_string(text.size()),
                stream.range(token));
  std::optional<Number> number = Number::parse(text);
  if (!number)
    return fail("the number " + quoted(text) + " is too large for a double", stream.range(token));
  const Token &next = stream.peek();
  if (next.kind == Token::Kind::Name || next.kind == Token::Kind::Number)
    return fail("expected an operator between " + quoted(text) + " and " + stream.describe(next) +
                    "; a product is written with *",
                stream.range(next));
  return makeNumber(*number, stream.range(token));
}

ExpressionRef Parser::parseParenthesis() {
  Nesting nesting(depth);
  if (tooDeep())
    return nullptr;
  Token open = stream.take();
  ExpressionRef inner = parseExpression();
  if (!inner || !expectClose(open, ")", "an operator"))
    return nullptr;
  return inner;
}

ExpressionRef Parser::parseName() {
  Token token = stream.take();
  llvm::StringRef name = stream.str(token);
  bool called = stream.at("(");
  // An alias hides an operation of the same name.
  if (auto alias = names.find(name); alias != names.end())
    return called ? misplacedName(token) : makeVariable(alias->second, stream.range(token));
  if (const VariableKeyword *keyword = findVariableKeyword(name); keyword && called)
    return parseVariable(token, *keyword);
  if (called && vocabulary.count(name))
    return parseCall(token);
  if (called && name.ends_with("Reduction"))
    return parseReduction(token);
  if (!called && (name == "True" || name == "False"))
    return makeNumber(Number::of(name == "True"), stream.range(token));
  return misplacedName(token);
}

/// A name that cannot stand where it does.
LLVM_ATTRIBUTE_NOINLINE std::nullptr_t Parser::misplacedName(const Token &token) {
  llvm::StringRef name = stream.str(token);
  bool called = stream.at("(");
  if (auto alias = names.find(name); alias != names.end())
    return fail(quoted(name) + " is the argument " + alias->second.str() + " here, not an operation",
                stream.range(token));
  return unknownName(token, called);
}

std::nullptr_t Parser::unknownName(const Token &token, bool called) {
  llvm::StringRef name = stream.str(token);
  if (vocabulary.count(name) || findVariableKeyword(name))
    return fail(quoted(name) + " is an operation and needs its arguments in parentheses", stream.range(token));
  std::vector<llvm::StringRef> known;
  auto addAliases = [&] {
    for (const auto &entry : names)
      known.push_back(entry.getKey());
  };
  auto addOperations = [&] {
    for (const auto &entry : vocabulary)
      known.push_back(entry.getKey());
    for (llvm::StringRef keyword : {"Vi", "Vj", "Pm", "Var"})
      known.push_back(keyword);
  };
  // The hash tables are in no order; the suggestion must not depend on it.
  if (called)
    addOperations();
  else
    addAliases();
  std::sort(known.begin(), known.end());
  llvm::StringRef nearest = nearestWord(name, known);
  if (nearest.empty() && !called) {
    known.clear();
    addOperations();
    std::sort(known.begin(), known.end());
    nearest = nearestWord(name, known);
  }
  std::string message = std::string(called ? "there is no operation " : "there is no argument ") + quoted(name);
  if (!nearest.empty())
    message += "; did you mean " + quoted(nearest) + "?";
  else if (!called && names.empty())
    message += "; no aliases are given";
  return fail(message, stream.range(token));
}

ExpressionRef Parser::parseVariable(const Token &name, const VariableKeyword &keyword) {
  Token open = stream.take();
  llvm::SmallVector<int64_t, 3> integers;
  Nesting nesting(depth);
  if (tooDeep())
    return nullptr;
  do {
    std::optional<int64_t> integer = parseInteger("in a variable");
    if (!integer)
      return nullptr;
    integers.push_back(*integer);
  } while (stream.takeIf(","));
  if (!expectClose(open, ")", "','"))
    return nullptr;
  SourceRange where = stream.rangeSince(name);
  std::optional<Variable> variable = makeCheckedVariable(keyword, integers, std::nullopt, where, error);
  if (!variable)
    return nullptr;
  nextPosition = std::max(nextPosition, variable->position + 1);
  return makeVariable(*variable, where);
}

/// base[k], base[begin:end], base[begin:], base[:end].
ExpressionRef Parser::parseSubscript(const ExpressionRef &base, const Token &first) {
  Nesting nesting(depth);
  if (tooDeep())
    return nullptr;
  Token open = stream.take();
  std::optional<int64_t> begin, end;
  if (!stream.at(":")) {
    begin = parseInteger("as an index");
    if (!begin)
      return nullptr;
  }
  bool slice = stream.takeIf(":");
  if (slice && !stream.at("]") && !stream.at(":")) {
    end = parseInteger("as the end of a slice");
    if (!end)
      return nullptr;
  }
  if (slice && stream.at(":"))
    return fail("a slice x[begin:end] has no step", stream.range(stream.peek()));
  if (!expectClose(open, "]", slice ? "" : "':'"))
    return nullptr;
  SourceRange where = stream.rangeSince(first);
  auto integer = [&](int64_t value) { return makeNumber(*Number::fraction(value, 1), where); };
  if (!slice)
    return makeCall("Elem", {base, integer(*begin)}, where);
  int64_t from = begin.value_or(0);
  if (end && (from < 0) == (*end < 0) && *end <= from)
    return fail("the slice [" + std::to_string(from) + ":" + std::to_string(*end) + "] is empty", where);
  // Counted from the end, a slice has a length only once the dimension is known.
  if (end && from >= 0 && *end >= 0)
    return makeCall("Extract", {base, integer(from), integer(*end - from)}, where);
  if (!end)
    return makeCall("Slice", {base, integer(from)}, where);
  return makeCall("Slice", {base, integer(from), integer(*end)}, where);
}

//===----------------------------------------------------------------------===//
// Doors
//===----------------------------------------------------------------------===//

ExpressionRef Parser::parseWholeFormula() {
  if (stream.at(Token::Kind::End))
    return fail("the formula is empty", stream.range(stream.peek()));
  ExpressionRef result = parseExpression();
  return result && expectEnd() ? result : nullptr;
}

static ExpressionRef parseWhole(llvm::StringRef text, llvm::ArrayRef<Declaration> aliases, const Vocabulary &vocabulary,
                                Diagnostic &error) {
  auto shared = std::make_shared<const std::string>(text.str());
  std::optional<std::vector<Token>> tokens = tokenize(shared, error);
  if (!tokens)
    return nullptr;
  TokenStream stream(shared, std::move(*tokens));
  Parser parser(stream, aliases, vocabulary, error);
  ExpressionRef result = parser.parseWholeFormula();
  // An argument used as two different things is an error of the text.
  if (result && !collectArguments(*result, aliases, error))
    return nullptr;
  return result;
}

ExpressionRef keops::frontend::parseFormula(llvm::StringRef text, llvm::ArrayRef<Declaration> aliases,
                                            const Vocabulary &vocabulary, Diagnostic &error) {
  return parseWhole(text, aliases, vocabulary, error);
}

ExpressionRef keops::frontend::parseReduction(llvm::StringRef text, llvm::ArrayRef<Declaration> aliases,
                                              const Vocabulary &vocabulary, Diagnostic &error) {
  ExpressionRef result = parseWhole(text, aliases, vocabulary, error);
  if (!result || isReduction(*result))
    return result;
  error = {"expected a reduction such as Sum_Reduction(formula, 0), got the formula " + quoted(text), result->where};
  return nullptr;
}

std::optional<Program> keops::frontend::parseProgram(llvm::StringRef text, llvm::ArrayRef<std::string> aliases,
                                                     Diagnostic &error, llvm::ArrayRef<std::string> also) {
  std::optional<std::vector<Declaration>> declared = parseAliases(aliases, error);
  if (!declared)
    return std::nullopt;
  std::vector<ExpressionRef> roots = {parseWhole(text, *declared, knownOperations(), error)};
  for (const std::string &other : also)
    if (roots.back())
      roots.push_back(parseWhole(other, *declared, knownOperations(), error));
  if (!roots.back())
    return std::nullopt;
  return makeProgram(roots.front(), aliases, error, llvm::ArrayRef(roots).drop_front());
}
