//===- CallParser.cpp - Calls, their arguments, reductions -------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What stands in parentheses after a name. Most calls are alike; derivatives and
// reductions have a grammar of their own.
//
//===----------------------------------------------------------------------===//

#include "Derivatives.h"
#include "Parser.h"
#include "keops/Frontend/FormulaBuilder.h"

using namespace keops::frontend;

//===----------------------------------------------------------------------===//
// Calls
//===----------------------------------------------------------------------===//

ExpressionRef Parser::parseCall(const Token &name) {
  llvm::StringRef callee = stream.str(name);
  if (takesReduction(callee))
    return parseDerivative(name);
  std::vector<Argument> arguments;
  if (!parseArguments(name, arguments))
    return nullptr;
  return finishCall(name, std::move(arguments));
}

ExpressionRef Parser::finishCall(const Token &name, std::vector<Argument> arguments) {
  llvm::StringRef callee = stream.str(name);
  ExpressionRef call = makeCall(callee, std::move(arguments), stream.rangeSince(name));
  if (std::optional<Diagnostic> wrong = checkArguments(*call, vocabulary.find(callee)->second)) {
    error = *wrong;
    return nullptr;
  }
  return call;
}

/// `(a,b,…)` or `[a,b,…]` of formulas.
bool Parser::parseTuple(std::vector<ExpressionRef> &formulas) {
  Token open = stream.take();
  do {
    ExpressionRef formula = parseExpression();
    if (!formula)
      return false;
    formulas.push_back(formula);
  } while (stream.takeIf(","));
  return expectClose(open, stream.str(open) == "(" ? ")" : "]", "','");
}

/// Grad, Diff and their like: Diff takes tuples, and Grad makes a cotangent that
/// is left out.
ExpressionRef Parser::parseDerivative(const Token &name) {
  Nesting nesting(depth);
  if (tooDeep())
    return nullptr;
  llvm::StringRef callee = stream.str(name);
  Token open = stream.take();
  ExpressionRef formula = parseExpression();
  if (!formula)
    return nullptr;
  std::vector<Argument> arguments = {formula};
  std::vector<ExpressionRef> variables, directions;
  bool tuples = callee == "Diff" && stream.at(",") && (stream.at("(", 1) || stream.at("[", 1));
  if (tuples) {
    stream.take();
    if (!parseTuple(variables))
      return nullptr;
    if (!stream.takeIf(","))
      return fail("expected ',' and a tuple of tangents, got " + stream.describe(stream.peek()),
                  stream.range(stream.peek()));
    Token first = stream.peek();
    if (!stream.at("(") && !stream.at("["))
      return fail("expected a tuple of tangents, one for each variable, got " + stream.describe(first),
                  stream.range(first));
    if (!parseTuple(directions))
      return nullptr;
    if (variables.size() != directions.size())
      return fail("expected as many tangents as variables, which are " + std::to_string(variables.size()) + ", got " +
                      std::to_string(directions.size()),
                  stream.rangeSince(first));
  }
  while (!tuples && stream.takeIf(","))
    if (!parseArgument(arguments))
      return nullptr;
  if (!expectClose(open, ")", "','"))
    return nullptr;
  for (size_t n = 0; n < variables.size(); ++n)
    if (!finishCall(name, {formula, variables[n], directions[n]}))
      return nullptr;
  if (tuples)
    return makeDirectionalDerivative(callee, formula, variables, directions, stream.rangeSince(name));
  ExpressionRef call = finishCall(name, arguments);
  if (!call || callee != "Grad" || arguments.size() != 2)
    return call;
  ExpressionRef cotangent = makeCotangent(*call, nextPosition, error);
  if (!cotangent)
    return nullptr;
  ++nextPosition;
  arguments.push_back(cotangent);
  return finishCall(name, std::move(arguments));
}

//===----------------------------------------------------------------------===//
// Arguments
//===----------------------------------------------------------------------===//

bool Parser::parseArguments(const Token &name, std::vector<Argument> &arguments) {
  Nesting nesting(depth);
  if (tooDeep())
    return false;
  Token open = stream.take();
  if (stream.takeIf(")"))
    return true;
  do {
    if (!parseArgument(arguments))
      return false;
  } while (stream.takeIf(","));
  return expectClose(open, ")", "','");
}

bool Parser::parseArgument(std::vector<Argument> &arguments) {
  bool indices = stream.at(Token::Kind::Name) && stream.str(stream.peek()) == "Ind" && stream.at("(", 1) &&
                 !names.count("Ind") && !vocabulary.count("Ind");
  if (!indices && !stream.at("[") && !(stream.at("(") && atTuple())) {
    ExpressionRef formula = parseExpression();
    if (!formula)
      return false;
    arguments.emplace_back(std::move(formula));
    return true;
  }
  if (indices)
    stream.take();
  std::vector<int64_t> integers;
  if (!parseIntegerList(stream.at("[") ? "]" : ")", integers))
    return false;
  arguments.emplace_back(std::move(integers));
  return true;
}

/// True if the parenthesis ahead holds integers with a comma, or nothing. Stops
/// at the first token that no list of integers has.
bool Parser::atTuple() const {
  if (stream.at(")", 1))
    return true;
  for (size_t ahead = 1;; ++ahead) {
    if (stream.at(",", ahead))
      return true;
    bool constant = stream.at(Token::Kind::Number, ahead) || stream.at("-", ahead) || stream.at("+", ahead) ||
                    stream.at("*", ahead) || stream.at("//", ahead) || stream.at("**", ahead);
    if (!constant)
      return false;
  }
}

bool Parser::parseIntegerList(llvm::StringRef close, std::vector<int64_t> &integers) {
  Token open = stream.take();
  while (!stream.at(close)) {
    std::optional<int64_t> integer = parseInteger("in a list");
    if (!integer)
      return false;
    integers.push_back(*integer);
    if (!stream.takeIf(","))
      break;
  }
  return expectClose(open, close, "','");
}

std::optional<int64_t> Parser::parseInteger(llvm::StringRef purpose) {
  ExpressionRef expression = parseExpression();
  if (!expression)
    return std::nullopt;
  if (std::optional<int64_t> integer = Argument(expression).integer())
    return integer;
  fail("expected an integer " + purpose.str() + ", got " + quoted(expression->where.str()), expression->where);
  return std::nullopt;
}

bool Parser::expectClose(const Token &open, llvm::StringRef close, llvm::StringRef others) {
  if (stream.takeIf(close))
    return true;
  if (stream.at(Token::Kind::End)) {
    fail("this " + stream.describe(open) + " is never closed", stream.range(open));
    return false;
  }
  std::string expected = (others.empty() ? "" : others.str() + " or ") + quoted(close);
  fail("expected " + expected + ", got " + stream.describe(stream.peek()), stream.range(stream.peek()));
  return false;
}

bool Parser::expectEnd() {
  const Token &token = stream.peek();
  if (token.kind == Token::Kind::End)
    return true;
  if (stream.at(")") || stream.at("]"))
    fail("this " + stream.describe(token) + " closes nothing", stream.range(token));
  else if (stream.at("="))
    fail("'=' has no meaning in a formula; equality of components is written ==", stream.range(token));
  else
    fail("expected an operator or the end, got " + stream.describe(token), stream.range(token));
  return false;
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

ExpressionRef Parser::interpretReduction(const ReductionInfo &info, std::vector<Argument> arguments,
                                         SourceRange where) {
  bool weighted = info.weight != ReductionInfo::Weight::None;
  std::string form = "(formula" + std::string(info.takesK ? ", K" : "") + ", category" +
                     (info.weight == ReductionInfo::Weight::Required ? ", weight"
                      : weighted                                     ? "[, weight]"
                                                                     : "") +
                     ")";
  size_t least = info.takesK ? 3 : 2;
  if (arguments.size() < least || arguments.size() > least + weighted)
    return fail("expected " + info.name.str() + "_Reduction" + form + ", got " + std::to_string(arguments.size()) +
                    (arguments.size() == 1 ? " argument" : " arguments"),
                where);
  for (const Argument &argument : arguments)
    if (argument.isList())
      return fail("a reduction takes no list of integers", where);
  auto integerAt = [&](size_t index, const char *what) -> std::optional<int64_t> {
    std::optional<int64_t> integer = arguments[index].integer();
    if (!integer)
      fail(std::string("expected ") + what + ", got " + quoted(arguments[index].formula()->where.str()),
           arguments[index].formula()->where);
    return integer;
  };
  int64_t k = 0;
  if (info.takesK) {
    std::optional<int64_t> given = integerAt(1, "the integer K");
    if (!given)
      return nullptr;
    k = *given;
  }
  std::optional<int64_t> category = integerAt(least - 1, "the category of the result, 0 (indexed by i) or 1 (by j)");
  if (!category)
    return nullptr;
  if (*category != 0 && *category != 1)
    return fail("the category of the result is 0 (indexed by i) or 1 (indexed by j), got " + std::to_string(*category),
                arguments[least - 1].formula()->where);
  ExpressionRef weight = arguments.size() > least ? arguments[least].formula() : nullptr;
  ExpressionRef formula = arguments[0].formula();
  llvm::StringRef name = info.name;
  if (name == "Zero") {
    // The reduction of nothing: a sum of zeros, told only their number.
    std::optional<int64_t> dim = integerAt(0, "the dimension of the result");
    if (!dim)
      return nullptr;
    formula = makeCall("Zero", {formula}, formula->where);
    name = "Sum";
  }
  ExpressionRef result =
      makeReduction(name, formula, static_cast<Category>(*category), k, std::move(weight), std::move(where));
  if (std::optional<Diagnostic> wrong = checkReduction(*result)) {
    error = *wrong;
    return nullptr;
  }
  return result;
}

LLVM_ATTRIBUTE_NOINLINE std::nullptr_t Parser::unknownReduction(const Token &token) {
  llvm::StringRef name = stream.str(token), stem = name;
  stem.consume_back("Reduction");
  stem.consume_back("_");
  std::vector<llvm::StringRef> names;
  for (const ReductionInfo &known : allReductions())
    names.push_back(known.name);
  llvm::StringRef nearest = nearestWord(stem, names);
  return fail("there is no reduction " + quoted(name) +
                  (nearest.empty() ? "" : "; did you mean '" + nearest.str() + "_Reduction'?"),
              stream.range(token));
}

ExpressionRef Parser::parseReduction(const Token &token) {
  std::optional<ReductionInfo> info = findReduction(stream.str(token));
  if (!info)
    return unknownReduction(token);
  std::vector<Argument> arguments;
  if (!parseArguments(token, arguments))
    return nullptr;
  return interpretReduction(*info, std::move(arguments), stream.rangeSince(token));
}
