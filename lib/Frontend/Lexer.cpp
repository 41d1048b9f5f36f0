//===- Lexer.cpp - Text to tokens --------------------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Names, decimal numbers, and the longest symbol that fits. Characters that
// people try out of habit from other languages are told what to write instead.
//
//===----------------------------------------------------------------------===//

#include "Lexer.h"

#include "llvm/ADT/StringExtras.h"

using namespace keops::frontend;

static bool isNameStart(char c) { return llvm::isAlpha(c) || c == '_'; }
static bool isNamePart(char c) { return llvm::isAlnum(c) || c == '_'; }

/// Length of the number that `text` starts with: digits, a point, an exponent.
static size_t numberLength(llvm::StringRef text) {
  size_t end = 0;
  auto skipDigits = [&] {
    size_t begin = end;
    while (end < text.size() && llvm::isDigit(text[end]))
      ++end;
    return end - begin;
  };
  size_t digits = skipDigits();
  if (end < text.size() && text[end] == '.') {
    ++end;
    digits += skipDigits();
  }
  if (digits == 0)
    return 0;
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    size_t beforeExponent = end++;
    if (end < text.size() && (text[end] == '+' || text[end] == '-'))
      ++end;
    if (skipDigits() == 0)
      end = beforeExponent;
  }
  return end;
}

static size_t symbolLength(llvm::StringRef text) {
  for (llvm::StringRef symbol : {"**", "//", "<=", ">=", "==", "!="})
    if (text.starts_with(symbol))
      return 2;
  return llvm::StringRef("+-*/%|<>()[],:=").contains(text[0]) ? 1 : 0;
}

/// Length of the character that `text` starts with, whole if it is UTF-8.
static size_t characterLength(llvm::StringRef text) {
  size_t end = 1;
  while (static_cast<unsigned char>(text[0]) >= 0xC0 && end < text.size() && end < 4 &&
         (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
    ++end;
  return end;
}

static std::string strayCharacterMessage(llvm::StringRef character) {
  std::string message = "the character " + quoted(character) + " has no meaning in a formula";
  if (character == "^")
    return message + "; a power is written x**2";
  if (character == "@")
    return message + "; a matrix product is written MatVecMult(A,x)";
  if (character == "&")
    return message + "; for the conjunction of two conditions multiply them";
  if (character == ".")
    return message + " outside of a number";
  return message;
}

std::optional<std::vector<Token>> keops::frontend::tokenize(const std::shared_ptr<const std::string> &shared,
                                                            Diagnostic &error) {
  llvm::StringRef text = *shared;
  std::vector<Token> tokens;
  for (size_t offset = 0; offset < text.size();) {
    llvm::StringRef rest = text.substr(offset);
    if (llvm::isSpace(rest[0])) {
      ++offset;
      continue;
    }
    Token token;
    token.offset = offset;
    if (isNameStart(rest[0])) {
      token.kind = Token::Kind::Name;
      token.length = rest.find_if_not(isNamePart);
      token.length = std::min(token.length, rest.size());
    } else if ((token.length = numberLength(rest))) {
      token.kind = Token::Kind::Number;
    } else if ((token.length = symbolLength(rest))) {
      token.kind = Token::Kind::Symbol;
    } else {
      size_t length = characterLength(rest);
      error = {strayCharacterMessage(rest.take_front(length)), {shared, offset, length}};
      return std::nullopt;
    }
    offset += token.length;
    tokens.push_back(token);
  }
  Token end;
  end.offset = text.size();
  tokens.push_back(end);
  return tokens;
}
