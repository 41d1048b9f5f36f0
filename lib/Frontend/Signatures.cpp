//===- Signatures.cpp - Whether arguments fit an operation -------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Number and kinds of arguments, checked alike for calls from text and calls
// made by a program.
//
//===----------------------------------------------------------------------===//

#include "keops/Frontend/FormulaParser.h"

using namespace keops::frontend;

static const char *kindName(char kind) {
  return kind == 'i' ? "integer" : kind == 'l' ? "list of integers" : kind == 'v' ? "variable" : "formula";
}

std::string keops::frontend::describeArguments(const Signature &signature) {
  size_t most = signature.kinds.size(), least = most - signature.optional;
  std::string text;
  for (size_t i = 0; i < most; ++i)
    text += (i == 0 ? "" : ", ") + std::string(kindName(signature.kinds[i])) + (i < least ? "" : " (optional)");
  return text;
}

std::optional<Diagnostic> keops::frontend::checkArguments(const Expression &call, const Signature &signature) {
  size_t most = signature.kinds.size(), least = most - signature.optional;
  size_t given = call.arguments.size();
  if (given < least || given > most) {
    std::string count = std::to_string(most) + (most == 1 ? " argument" : " arguments");
    if (least != most)
      count = std::to_string(least) + " to " + count;
    return Diagnostic{call.name + " takes " + count + (most == 0 ? "" : " (" + describeArguments(signature) + ")") +
                          ", got " + std::to_string(given),
                      call.where};
  }
  for (size_t i = 0; i < given; ++i) {
    const Argument &argument = call.arguments[i];
    char kind = signature.kinds[i];
    bool fits = kind == 'l'   ? argument.isList()
                : kind == 'i' ? argument.integer().has_value()
                : kind == 'v' ? !argument.isList() && argument.formula()->kind == Expression::Kind::Variable
                              : !argument.isList();
    if (fits)
      continue;
    SourceRange where = argument.isList() ? call.where : argument.formula()->where;
    std::string got = argument.isList()     ? "a list of integers"
                      : where.str().empty() ? "something else"
                                            : quoted(where.str());
    const char *article = kind == 'i' ? "an " : "a ";
    return Diagnostic{"argument " + std::to_string(i + 1) + " of " + call.name + " is " + article + kindName(kind) +
                          ", got " + got,
                      where};
  }
  return std::nullopt;
}
