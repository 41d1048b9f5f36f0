//===- Aliases.cpp - Which arguments a call takes ----------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Alias strings say which arguments there are; the variables of a formula may
// add more. Together they must name every position once and agree on what
// stands there, since each position is one array of the call.
//
//===----------------------------------------------------------------------===//

#include "Lexer.h"
#include "VariableSyntax.h"
#include "keops/Frontend/FormulaParser.h"

#include "llvm/ADT/StringMap.h"

using namespace keops::frontend;

//===----------------------------------------------------------------------===//
// One variable, as aliases and formulas write it
//===----------------------------------------------------------------------===//

const VariableKeyword *keops::frontend::findVariableKeyword(llvm::StringRef name) {
  static const VariableKeyword table[] = {
      {"Vi", Category::I}, {"Vj", Category::J}, {"Pm", Category::Parameter},
      {"Vx", Category::I}, {"Vy", Category::J}, {"Var", std::nullopt},
  };
  for (const VariableKeyword &entry : table)
    if (entry.name == name)
      return &entry;
  return nullptr;
}

std::optional<Variable> keops::frontend::makeCheckedVariable(const VariableKeyword &keyword,
                                                             llvm::ArrayRef<int64_t> integers,
                                                             std::optional<int64_t> defaultPosition,
                                                             const SourceRange &where, Diagnostic &error) {
  auto fail = [&](const std::string &message) {
    error = {message, where};
    return std::nullopt;
  };
  size_t expected = keyword.category ? 2 : 3;
  bool positionOmitted = keyword.category && integers.size() == 1 && defaultPosition;
  if (integers.size() != expected && !positionOmitted) {
    std::string form = keyword.name.str() + (keyword.category ? "(position, dim)" : "(position, dim, category)");
    if (keyword.category && defaultPosition)
      form = keyword.name.str() + "(dim) or " + form;
    return fail("expected " + form + ", got " + std::to_string(integers.size()) +
                (integers.size() == 1 ? " integer" : " integers"));
  }
  Variable variable;
  variable.position = positionOmitted ? *defaultPosition : integers[0];
  variable.dim = positionOmitted ? integers[0] : integers[1];
  if (variable.position < 0 || variable.position > maxPosition)
    return fail("the position of an argument is between 0 and " + std::to_string(maxPosition) + ", got " +
                std::to_string(variable.position));
  if (variable.dim < 1 || variable.dim > maxDim)
    return fail("the dimension of an argument is between 1 and " + std::to_string(maxDim) + ", got " +
                std::to_string(variable.dim));
  if (keyword.category) {
    variable.category = *keyword.category;
    return variable;
  }
  if (integers[2] < 0 || integers[2] > 2)
    return fail("the category of a variable is 0 (indexed by i), 1 (indexed by j) or 2 (a parameter), got " +
                std::to_string(integers[2]));
  variable.category = static_cast<Category>(integers[2]);
  return variable;
}

//===----------------------------------------------------------------------===//
// Alias strings
//===----------------------------------------------------------------------===//

std::string Declaration::str() const { return name.empty() ? variable.str() : name + " = " + variable.str(); }

std::optional<Declaration> keops::frontend::parseAlias(llvm::StringRef text, int64_t defaultPosition,
                                                       Diagnostic &error) {
  auto shared = std::make_shared<const std::string>(text.str());
  std::optional<std::vector<Token>> tokens = tokenize(shared, error);
  if (!tokens)
    return std::nullopt;
  TokenStream stream(shared, std::move(*tokens));
  auto fail = [&](const std::string &expected) {
    error = {"expected " + expected + ", got " + stream.describe(stream.peek()) +
                 "; an alias is written like 'x = Vi(3)'",
             stream.range(stream.peek())};
    return std::nullopt;
  };

  Declaration declaration;
  declaration.where = {shared, 0, text.size()};
  if (stream.at(Token::Kind::Name) && stream.at("=", 1)) {
    declaration.name = stream.str(stream.take()).str();
    stream.take();
  }
  const Token first = stream.peek();
  const VariableKeyword *keyword = stream.at(Token::Kind::Name) ? findVariableKeyword(stream.str(first)) : nullptr;
  if (!keyword)
    return fail(declaration.name.empty() ? "a name, Vi, Vj, Pm or Var" : "Vi, Vj, Pm or Var");
  stream.take();
  if (!stream.takeIf("("))
    return fail("'('");
  llvm::SmallVector<int64_t, 3> integers;
  do {
    bool negative = stream.takeIf("-");
    int64_t integer = 0;
    if (!stream.at(Token::Kind::Number) || stream.str(stream.peek()).getAsInteger(10, integer))
      return fail("an integer");
    stream.take();
    integers.push_back(negative ? -integer : integer);
  } while (stream.takeIf(","));
  if (!stream.takeIf(")"))
    return fail("',' or ')'");
  SourceRange where = stream.rangeSince(first);
  if (!stream.at(Token::Kind::End))
    return fail("the end");
  std::optional<Variable> variable = makeCheckedVariable(*keyword, integers, defaultPosition, where, error);
  if (!variable)
    return std::nullopt;
  declaration.variable = *variable;
  return declaration;
}

std::optional<std::vector<Declaration>> keops::frontend::parseAliases(llvm::ArrayRef<std::string> texts,
                                                                      Diagnostic &error) {
  std::vector<Declaration> parsed;
  llvm::StringMap<size_t> names;
  for (const std::string &text : texts) {
    std::optional<Declaration> declaration = parseAlias(text, static_cast<int64_t>(parsed.size()), error);
    if (!declaration)
      return std::nullopt;
    if (!declaration->name.empty()) {
      auto [entry, isNew] = names.try_emplace(declaration->name, parsed.size());
      if (!isNew) {
        error = {"the name " + quoted(declaration->name) +
                     " is given to two arguments: " + parsed[entry->second].str() + " and " + declaration->str(),
                 declaration->where};
        return std::nullopt;
      }
    }
    parsed.push_back(std::move(*declaration));
  }
  std::vector<const Declaration *> byPosition(parsed.size());
  const Declaration *tooFar = nullptr;
  for (const Declaration &declaration : parsed) {
    size_t position = static_cast<size_t>(declaration.variable.position);
    if (position >= parsed.size()) {
      tooFar = &declaration;
      continue;
    }
    if (byPosition[position]) {
      error = {"two aliases stand at position " + std::to_string(position) + ": " + byPosition[position]->str() +
                   " and " + declaration.str(),
               declaration.where};
      return std::nullopt;
    }
    byPosition[position] = &declaration;
  }
  std::vector<Declaration> ordered;
  for (size_t position = 0; position < parsed.size(); ++position) {
    if (!byPosition[position]) {
      error = {"no alias stands at position " + std::to_string(position) + " although there is " + tooFar->str() +
                   "; " + std::to_string(parsed.size()) + " aliases take the positions 0 to " +
                   std::to_string(parsed.size() - 1),
               tooFar->where};
      return std::nullopt;
    }
    ordered.push_back(*byPosition[position]);
  }
  return ordered;
}

//===----------------------------------------------------------------------===//
// All arguments of a formula
//===----------------------------------------------------------------------===//

std::optional<std::vector<Declaration>>
keops::frontend::collectArguments(const Expression &root, llvm::ArrayRef<Declaration> declared, Diagnostic &error) {
  std::vector<std::optional<Declaration>> slots;
  auto slotAt = [&](int64_t position) -> std::optional<Declaration> & {
    if (static_cast<size_t>(position) >= slots.size())
      slots.resize(position + 1);
    return slots[position];
  };
  for (const Declaration &declaration : declared)
    slotAt(declaration.variable.position) = declaration;

  bool failed = false;
  forEachNode(root, [&](const Expression &node) {
    if (node.kind != Expression::Kind::Variable || failed)
      return;
    const Variable &variable = node.variable;
    // Formulas made by a program come here unchecked.
    if (variable.position < 0 || variable.position > maxPosition || variable.dim < 1 || variable.dim > maxDim) {
      error = {variable.str() + " needs a position between 0 and " + std::to_string(maxPosition) +
                   " and a dimension between 1 and " + std::to_string(maxDim),
               node.where};
      failed = true;
      return;
    }
    std::optional<Declaration> &slot = slotAt(variable.position);
    if (!slot) {
      slot = Declaration{"", variable, node.where};
      return;
    }
    if (slot->variable == variable)
      return;
    error = {"argument " + std::to_string(variable.position) + " is used as " + variable.str() + " but also as " +
                 slot->str(),
             node.where};
    failed = true;
  });
  if (failed)
    return std::nullopt;

  std::vector<Declaration> arguments;
  for (size_t position = 0; position < slots.size(); ++position) {
    if (!slots[position]) {
      error = {"no argument stands at position " + std::to_string(position) + " although there is " +
                   slots.back()->str() + "; declare it with an alias such as 'Vi(" + std::to_string(position) + ",3)'",
               slots.back()->where};
      return std::nullopt;
    }
    arguments.push_back(*slots[position]);
  }
  return arguments;
}

void Program::forEachRoot(llvm::function_ref<void(const Expression &)> visit) const {
  visit(*root);
  for (const ExpressionRef &other : also)
    visit(*other);
}

std::optional<Program> keops::frontend::makeProgram(ExpressionRef root, llvm::ArrayRef<std::string> aliases,
                                                    Diagnostic &error, llvm::ArrayRef<ExpressionRef> also) {
  std::optional<std::vector<Declaration>> declared = parseAliases(aliases, error);
  if (!declared)
    return std::nullopt;
  // What has them all as operands has the arguments of all.
  std::vector<Argument> roots = {root};
  roots.insert(roots.end(), also.begin(), also.end());
  std::optional<std::vector<Declaration>> arguments =
      collectArguments(*makeCall("", std::move(roots)), *declared, error);
  if (!arguments)
    return std::nullopt;
  return Program{std::move(root), std::move(*arguments), also.vec()};
}
