//===- Parser.h - One text on its way to an expression -----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operators and operands are in FormulaParser.cpp, calls and their arguments in
// CallParser.cpp.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_FRONTEND_PARSER_H
#define KEOPS_LIB_FRONTEND_PARSER_H

#include "Lexer.h"
#include "Operators.h"
#include "VariableSyntax.h"
#include "keops/Frontend/FormulaParser.h"

#include "llvm/ADT/StringMap.h"

#include <algorithm>

namespace keops::frontend {

/// Recursive descent over one text; see FormulaParser.cpp.
class Parser {
public:
  Parser(TokenStream &stream, llvm::ArrayRef<Declaration> aliases, const Vocabulary &vocabulary, Diagnostic &error)
      : stream(stream), vocabulary(vocabulary), error(error) {
    for (const Declaration &declaration : aliases) {
      if (!declaration.name.empty())
        names[declaration.name] = declaration.variable;
      nextPosition = std::max(nextPosition, declaration.variable.position + 1);
    }
  }

  ExpressionRef parseWholeFormula();

private:
  ExpressionRef parseExpression(int loosest = Precedence::Comparison);
  ExpressionRef parseSigned();
  ExpressionRef parsePower();
  ExpressionRef parsePostfix();
  ExpressionRef parseAtom();
  ExpressionRef parseNumber();
  ExpressionRef parseParenthesis();
  ExpressionRef parseName();
  ExpressionRef parseVariable(const Token &name, const VariableKeyword &keyword);
  ExpressionRef parseCall(const Token &name);
  ExpressionRef parseReduction(const Token &name);
  ExpressionRef parseDerivative(const Token &name);
  bool parseTuple(std::vector<ExpressionRef> &formulas);
  ExpressionRef finishCall(const Token &name, std::vector<Argument> arguments);
  ExpressionRef parseSubscript(const ExpressionRef &base, const Token &first);

  bool parseArguments(const Token &name, std::vector<Argument> &arguments);
  bool parseArgument(std::vector<Argument> &arguments);
  bool parseIntegerList(llvm::StringRef close, std::vector<int64_t> &integers);
  std::optional<int64_t> parseInteger(llvm::StringRef purpose);
  bool atTuple() const;
  bool expectClose(const Token &open, llvm::StringRef close, llvm::StringRef others);
  bool expectEnd();

  std::nullptr_t refuseChain(const std::string &product, const Token &symbol);
  std::nullptr_t missingFormula();
  std::nullptr_t misplacedName(const Token &token);
  std::nullptr_t unknownName(const Token &token, bool called);
  std::nullptr_t unknownReduction(const Token &token);
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
  int64_t nextPosition = 0; ///< after all arguments that are known so far
  unsigned depth = 0;
};

} // namespace keops::frontend

#endif // KEOPS_LIB_FRONTEND_PARSER_H
