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
//
//===----------------------------------------------------------------------===//

#include "keops/Frontend/FormulaParser.h"
#include "Lexer.h"
#include "Operators.h"
#include "VariableSyntax.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"

#include <algorithm>

using namespace keops::frontend;

namespace {

class Parser {
public:
  Parser(TokenStream &stream, llvm::ArrayRef<Declaration> aliases, const Vocabulary &vocabulary, Diagnostic &error)
      : stream(stream), vocabulary(vocabulary), error(error) {
    for (const Declaration &declaration : aliases)
      if (!declaration.name.empty())
        names[declaration.name] = declaration.variable;
  }

  ExpressionRef parseWholeFormula();
  ExpressionRef parseWholeReduction();

private:
  ExpressionRef parseExpression(int loosest = Comparison);
  ExpressionRef parseSigned();
  ExpressionRef parsePower();
  ExpressionRef parsePostfix();
  ExpressionRef parseAtom();
  ExpressionRef parseNumber();
  ExpressionRef parseParenthesis();
  ExpressionRef parseName();
  ExpressionRef parseVariable(const Token &name, const VariableKeyword &keyword);
  ExpressionRef parseCall(const Token &name);
  ExpressionRef parseSubscript(const ExpressionRef &base, const Token &first);

  bool parseArguments(const Token &name, std::vector<Argument> &arguments);
  bool parseArgument(std::vector<Argument> &arguments);
  bool parseIntegerList(llvm::StringRef close, std::vector<int64_t> &integers);
  std::optional<int64_t> parseInteger(llvm::StringRef purpose);
  bool atTuple() const;
  bool expectClose(const Token &open, llvm::StringRef close, llvm::StringRef others);
  bool expectEnd();

  ExpressionRef unknownName(const Token &token, bool called);
  ExpressionRef interpretReduction(const ReductionInfo &info, std::vector<Argument> arguments, SourceRange where);

  std::nullptr_t fail(const std::string &message, SourceRange where) {
    error = {message, std::move(where)};
    return nullptr;
  }

  /// One more level of nesting for as long as it lives.
  struct Nesting {
    unsigned &depth;
    explicit Nesting(unsigned &depth) : depth(++depth) {}
    ~Nesting() { --depth; }
  };
  bool tooDeep() {
    if (depth <= maxNesting)
      return false;
    fail("the formula is nested deeper than " + std::to_string(maxNesting) + " levels", stream.range(stream.peek()));
    return true;
  }

  TokenStream &stream;
  const Vocabulary &vocabulary;
  Diagnostic &error;
  llvm::StringMap<Variable> names;
  unsigned depth = 0;
};

} // namespace

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

/// `(a<b)*(b<c)` for the chain `a<b<c`, if that is short enough to show.
static std::string suggestProduct(const SourceRange &left, const SourceRange &middle, llvm::StringRef symbol,
                                  const SourceRange &right) {
  std::string text = "(" + left.str().str() + ")*(" + middle.str().str() + symbol.str() + right.str().str() + ")";
  return text.size() > 60 ? "(a<b)*(b<c)" : text;
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
      return fail("a chain of comparisons does not mean both of them; write their product: " +
                      suggestProduct(leftText, middleText, entry->symbol, rightText),
                  stream.range(token));
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
  llvm::SmallVector<Token, 4> signs;
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
    return fail("a formula is missing at the end", stream.range(token));
  case Token::Kind::Symbol:
    break;
  }
  if (stream.at("("))
    return parseParenthesis();
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
  if (auto alias = names.find(name); alias != names.end()) {
    if (called)
      return fail(quoted(name) + " is the argument " + alias->second.str() + " here, not an operation",
                  stream.range(token));
    return makeVariable(alias->second, stream.range(token));
  }
  if (const VariableKeyword *keyword = findVariableKeyword(name); keyword && called)
    return parseVariable(token, *keyword);
  if (called && name.ends_with("Reduction") && findReduction(name))
    return fail("a reduction can only be the outermost operation, not a part of a formula", stream.range(token));
  if (called && vocabulary.count(name))
    return parseCall(token);
  if (!called && (name == "True" || name == "False"))
    return makeNumber(Number::of(name == "True"), stream.range(token));
  return unknownName(token, called);
}

ExpressionRef Parser::unknownName(const Token &token, bool called) {
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
  return variable ? makeVariable(*variable, where) : nullptr;
}

ExpressionRef Parser::parseCall(const Token &name) {
  std::vector<Argument> arguments;
  if (!parseArguments(name, arguments))
    return nullptr;
  llvm::StringRef callee = stream.str(name);
  ExpressionRef call = makeCall(callee, std::move(arguments), stream.rangeSince(name));
  if (std::optional<Diagnostic> wrong = checkArguments(*call, vocabulary.find(callee)->second)) {
    error = *wrong;
    return nullptr;
  }
  return call;
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

ExpressionRef Parser::parseWholeReduction() {
  Token token = stream.peek();
  llvm::StringRef name = stream.str(token);
  if (token.kind == Token::Kind::End)
    return fail("the reduction is empty", stream.range(token));
  if (token.kind != Token::Kind::Name || !stream.at("(", 1) || !name.ends_with("Reduction"))
    return fail("expected a reduction such as Sum_Reduction(formula, 0), got " + stream.describe(token),
                stream.range(token));
  std::optional<ReductionInfo> info = findReduction(name);
  if (!info) {
    llvm::StringRef stem = name;
    stem.consume_back("Reduction");
    stem.consume_back("_");
    llvm::StringRef nearest = nearestWord(stem, reductionNames());
    return fail("there is no reduction " + quoted(name) +
                    (nearest.empty() ? "" : "; did you mean '" + nearest.str() + "_Reduction'?"),
                stream.range(token));
  }
  stream.take();
  std::vector<Argument> arguments;
  if (!parseArguments(token, arguments))
    return nullptr;
  SourceRange where = stream.rangeSince(token);
  if (!expectEnd())
    return nullptr;
  return interpretReduction(*info, std::move(arguments), where);
}

ExpressionRef Parser::parseWholeFormula() {
  if (stream.at(Token::Kind::End))
    return fail("the formula is empty", stream.range(stream.peek()));
  ExpressionRef result = parseExpression();
  return result && expectEnd() ? result : nullptr;
}

//===----------------------------------------------------------------------===//
// Doors
//===----------------------------------------------------------------------===//

namespace {
enum class Outermost { Formula, Reduction, Either };
} // namespace

static ExpressionRef parseWhole(llvm::StringRef text, llvm::ArrayRef<Declaration> aliases, const Vocabulary &vocabulary,
                                Diagnostic &error, Outermost outermost) {
  auto shared = std::make_shared<const std::string>(text.str());
  std::optional<std::vector<Token>> tokens = tokenize(shared, error);
  if (!tokens)
    return nullptr;
  TokenStream stream(shared, std::move(*tokens));
  bool reduction =
      outermost == Outermost::Reduction || (outermost == Outermost::Either && stream.at(Token::Kind::Name) &&
                                            stream.at("(", 1) && stream.str(stream.peek()).ends_with("Reduction"));
  Parser parser(stream, aliases, vocabulary, error);
  ExpressionRef result = reduction ? parser.parseWholeReduction() : parser.parseWholeFormula();
  // An argument used as two different things is an error of the text.
  if (result && !collectArguments(*result, aliases, error))
    return nullptr;
  return result;
}

ExpressionRef keops::frontend::parseFormula(llvm::StringRef text, llvm::ArrayRef<Declaration> aliases,
                                            const Vocabulary &vocabulary, Diagnostic &error) {
  return parseWhole(text, aliases, vocabulary, error, Outermost::Formula);
}

ExpressionRef keops::frontend::parseReduction(llvm::StringRef text, llvm::ArrayRef<Declaration> aliases,
                                              const Vocabulary &vocabulary, Diagnostic &error) {
  return parseWhole(text, aliases, vocabulary, error, Outermost::Reduction);
}

std::optional<Program> keops::frontend::parseProgram(llvm::StringRef text, llvm::ArrayRef<std::string> aliases,
                                                     Diagnostic &error) {
  std::optional<std::vector<Declaration>> declared = parseAliases(aliases, error);
  if (!declared)
    return std::nullopt;
  ExpressionRef root = parseWhole(text, *declared, knownOperations(), error, Outermost::Either);
  if (!root)
    return std::nullopt;
  return Program{root, *collectArguments(*root, *declared, error)};
}
