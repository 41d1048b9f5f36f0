//===- Lexer.h - Text to tokens ----------------------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The whole text becomes a list of tokens before anything is parsed, so that
// the parsers of formulas, aliases and reductions can look ahead freely.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_FRONTEND_LEXER_H
#define KEOPS_LIB_FRONTEND_LEXER_H

#include "keops/Frontend/Diagnostic.h"

#include <memory>
#include <optional>
#include <vector>

namespace keops::frontend {

struct Token {
  enum class Kind : uint8_t { Name, Number, Symbol, End };

  Kind kind = Kind::End;
  size_t offset = 0;
  size_t length = 0;
};

/// Tokens of `text` and an end token; none if a character starts no token.
std::optional<std::vector<Token>> tokenize(const std::shared_ptr<const std::string> &text, Diagnostic &error);

/// A position in a list of tokens. Past the end there is the end token for ever.
class TokenStream {
public:
  TokenStream(std::shared_ptr<const std::string> text, std::vector<Token> tokens)
      : text(std::move(text)), tokens(std::move(tokens)) {}

  const Token &peek(size_t ahead = 0) const { return tokens[std::min(index + ahead, tokens.size() - 1)]; }
  Token take() {
    Token token = peek();
    index += token.kind != Token::Kind::End;
    return token;
  }
  llvm::StringRef str(const Token &token) const { return llvm::StringRef(*text).substr(token.offset, token.length); }
  bool at(llvm::StringRef symbol, size_t ahead = 0) const {
    return peek(ahead).kind == Token::Kind::Symbol && str(peek(ahead)) == symbol;
  }
  bool at(Token::Kind kind, size_t ahead = 0) const { return peek(ahead).kind == kind; }
  bool takeIf(llvm::StringRef symbol) {
    if (!at(symbol))
      return false;
    ++index;
    return true;
  }
  SourceRange range(const Token &token) const { return {text, token.offset, token.length}; }
  /// From `first` to the token taken last.
  SourceRange rangeSince(const Token &first) const {
    return range(first).through(range(tokens[index == 0 ? 0 : index - 1]));
  }
  /// "'x'" or "the end".
  std::string describe(const Token &token) const {
    return token.kind == Token::Kind::End ? "the end" : quoted(str(token));
  }

private:
  std::shared_ptr<const std::string> text;
  std::vector<Token> tokens;
  size_t index = 0;
};

} // namespace keops::frontend

#endif // KEOPS_LIB_FRONTEND_LEXER_H
