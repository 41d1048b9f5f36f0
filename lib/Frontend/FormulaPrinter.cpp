//===- FormulaPrinter.cpp - Expressions to text -------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A call is written with an operator only if the parser makes the same call of
// that text: `Add(1,2)` stays a call because `1+2` reads as 3. Since formulas
// may be deeper than the stack, what is still to be written waits on an explicit
// one.
//
//===----------------------------------------------------------------------===//

#include "keops/Frontend/FormulaPrinter.h"
#include "Operators.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"

#include <cmath>

using namespace keops::frontend;

namespace {

/// How a call looks as text: an operator between or before its operands, or a name.
struct Form {
  Precedence precedence = Atom;
  llvm::StringRef symbol;
};

class Printer {
public:
  Printer(llvm::ArrayRef<Declaration> aliases, Diagnostic &error, size_t maxSize) : error(error), maxSize(maxSize) {
    for (const Declaration &declaration : aliases) {
      if (declaration.name.empty())
        continue;
      names.insert({declaration.name, declaration.variable});
      if (static_cast<size_t>(declaration.variable.position) >= byPosition.size())
        byPosition.resize(declaration.variable.position + 1);
      byPosition[declaration.variable.position] = declaration.name;
    }
  }

  std::optional<std::string> print(const Expression &root);

private:
  /// Text still to be written: a node in a place that needs `tightest`, or a piece of text.
  struct Item {
    const Expression *node;
    Precedence needed;
    std::string text;
  };

  bool expand(const Expression &node, Precedence needed);
  bool expandNumber(const Number &number, Precedence needed);
  bool expandVariable(const Variable &variable, const SourceRange &where);
  void expandOperator(const Expression &node, Form form, Precedence needed);
  bool expandCall(const Expression &node);
  void expandReduction(const Expression &node);
  bool checkName(llvm::StringRef name, const SourceRange &where);
  static Form formOf(const Expression &call);

  // Pieces of one node are collected in reading order, then stacked in reverse.
  void put(std::string text) { pieces.push_back({nullptr, Atom, std::move(text)}); }
  void put(const Expression &node, Precedence needed) { pieces.push_back({&node, needed, {}}); }
  void putArgument(const Argument &argument);

  Diagnostic &error;
  size_t maxSize;
  llvm::StringMap<Variable> names;
  std::vector<std::string> byPosition;
  llvm::SmallVector<Item, 8> pieces;
};

} // namespace

static bool isFoldable(const Argument &argument) {
  return argument.formula()->isNumber() && std::isfinite(argument.formula()->number.value);
}

Form Printer::formOf(const Expression &call) {
  for (const Argument &argument : call.arguments)
    if (argument.isList())
      return {};
  if (call.arguments.size() == 1) {
    if (isFoldable(call.arguments[0]))
      return {};
    if (call.name == "Minus")
      return {Sign, "-"};
    return call.name == "Square" ? Form{Power, "**"} : Form{};
  }
  if (call.arguments.size() != 2)
    return {};
  const Argument &a = call.arguments[0], &b = call.arguments[1];
  std::optional<int64_t> exponent = b.integer();
  if (call.name == "Pow")
    return exponent && *exponent != 2 && !isFoldable(a) ? Form{Power, "**"} : Form{};
  if (call.name == "Powf") {
    bool constant = isFoldable(b);
    bool other = constant && (exponent || std::fabs(b.formula()->number.value) == 0.5 || isFoldable(a));
    return other ? Form{} : Form{Power, "**"};
  }
  const BinaryOperator *entry = findOperatorOf(call.name);
  if (!entry)
    return {};
  bool arithmetic = entry->precedence == Sum || entry->precedence == Product;
  if (arithmetic && isFoldable(a) && isFoldable(b))
    return {};
  return {entry->precedence, entry->symbol};
}

bool Printer::checkName(llvm::StringRef name, const SourceRange &where) {
  if (!names.count(name))
    return true;
  error = {"the formula has no text because the alias " + quoted(name) + " hides the operation of that name", where};
  return false;
}

bool Printer::expandNumber(const Number &number, Precedence needed) {
  if (!std::isfinite(number.value)) {
    error = {"the formula has no text because a number in it is not finite", {}};
    return false;
  }
  // A sign or a quotient is an operator once written.
  Precedence own = number.isQuotient() ? Product : number.isNegative() ? Sign : Atom;
  put(own < needed ? "(" + number.str() + ")" : number.str());
  return true;
}

bool Printer::expandVariable(const Variable &variable, const SourceRange &where) {
  size_t position = static_cast<size_t>(variable.position);
  if (position < byPosition.size() && !byPosition[position].empty() &&
      names.find(byPosition[position])->second == variable) {
    put(byPosition[position]);
    return true;
  }
  if (!checkName("Var", where))
    return false;
  put("Var(" + std::to_string(variable.position) + "," + std::to_string(variable.dim) + "," +
      std::to_string(static_cast<int>(variable.category)) + ")");
  return true;
}

void Printer::expandOperator(const Expression &node, Form form, Precedence needed) {
  bool parentheses = form.precedence < needed;
  if (parentheses)
    put("(");
  const Expression &first = *node.arguments[0].formula();
  auto tighter = [](Precedence precedence) { return static_cast<Precedence>(precedence + 1); };
  if (form.symbol == "-" && node.arguments.size() == 1) {
    put("-");
    // `--x` and `-x**2` read as meant.
    put(first, Sign);
  } else if (form.precedence == Power) {
    put(first, Atom);
    put("**");
    if (node.arguments.size() == 1)
      put("2");
    else
      put(*node.arguments[1].formula(), Sign);
  } else {
    // Comparisons do not chain; the others group from the left.
    put(first, form.precedence == Comparison ? Bar : form.precedence);
    put(form.symbol.str());
    const Expression &second = *node.arguments[1].formula();
    // `a-(-b)` rather than `a--b`, which reads the same but not easily.
    bool arithmetic = form.precedence == Sum || form.precedence == Product;
    bool signedOperand = (second.isNumber() && second.number.isNegative()) ||
                         (second.kind == Expression::Kind::Call && formOf(second).precedence == Sign);
    put(second, arithmetic && signedOperand ? Power : tighter(form.precedence));
  }
  if (parentheses)
    put(")");
}

void Printer::putArgument(const Argument &argument) {
  if (!argument.isList()) {
    put(*argument.formula(), Comparison);
    return;
  }
  std::string text = "[";
  for (int64_t integer : argument.list())
    text += (text.size() == 1 ? "" : ",") + std::to_string(integer);
  put(text + "]");
}

/// True if `x[a:b]` reads as this call: with both ends counted from the start
/// it reads as Extract.
static bool readsAsSlice(const Expression &call) {
  size_t size = call.arguments.size();
  if (call.name != "Slice" || size < 2 || size > 3 || call.arguments[0].isList())
    return false;
  std::optional<int64_t> begin = call.arguments[1].integer();
  if (!begin || size == 2)
    return begin.has_value();
  std::optional<int64_t> end = call.arguments[2].integer();
  if (!end || (*begin >= 0 && *end >= 0))
    return false;
  return (*begin < 0) != (*end < 0) || *end > *begin;
}

bool Printer::expandCall(const Expression &node) {
  if (readsAsSlice(node)) {
    put(*node.arguments[0].formula(), Atom);
    put("[" + std::to_string(*node.arguments[1].integer()) + ":");
    if (node.arguments.size() == 3)
      put(std::to_string(*node.arguments[2].integer()));
    put("]");
    return true;
  }
  if (!checkName(node.name, node.where))
    return false;
  put(node.name + "(");
  for (size_t i = 0; i < node.arguments.size(); ++i) {
    if (i > 0)
      put(",");
    putArgument(node.arguments[i]);
  }
  put(")");
  return true;
}

void Printer::expandReduction(const Expression &node) {
  put(node.name + "_Reduction(");
  putArgument(node.arguments[0]);
  if (node.k != 0)
    put("," + std::to_string(node.k));
  put("," + std::to_string(static_cast<int>(node.output)));
  if (node.arguments.size() > 1) {
    put(",");
    putArgument(node.arguments[1]);
  }
  put(")");
}

/// Splits `node` into pieces; false if it has no text.
bool Printer::expand(const Expression &node, Precedence needed) {
  switch (node.kind) {
  case Expression::Kind::Number:
    return expandNumber(node.number, needed);
  case Expression::Kind::Variable:
    return expandVariable(node.variable, node.where);
  case Expression::Kind::Reduction:
    expandReduction(node);
    return true;
  case Expression::Kind::Call:
    break;
  }
  Form form = formOf(node);
  if (form.symbol.empty())
    return expandCall(node);
  expandOperator(node, form, needed);
  return true;
}

std::optional<std::string> Printer::print(const Expression &root) {
  std::string text;
  std::vector<Item> stack;
  stack.push_back({&root, Comparison, {}});
  while (!stack.empty()) {
    Item item = std::move(stack.back());
    stack.pop_back();
    if (!item.node) {
      text += item.text;
      if (text.size() <= maxSize)
        continue;
      error = {"the text of the formula is longer than " + std::to_string(maxSize) + " characters", {}};
      return std::nullopt;
    }
    pieces.clear();
    if (!expand(*item.node, item.needed))
      return std::nullopt;
    for (size_t i = pieces.size(); i-- > 0;)
      stack.push_back(std::move(pieces[i]));
  }
  return text;
}

std::optional<std::string> keops::frontend::printFormula(const Expression &root, llvm::ArrayRef<Declaration> aliases,
                                                         Diagnostic &error, size_t maxSize) {
  return Printer(aliases, error, maxSize).print(root);
}
