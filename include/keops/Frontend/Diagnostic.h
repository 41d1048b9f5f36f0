//===- Diagnostic.h - An error in formula text ------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An error is a sentence and the piece of text that it is about. The piece
// keeps its text alive, so that formulas made of several texts still point at
// the right one.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_FRONTEND_DIAGNOSTIC_H
#define KEOPS_FRONTEND_DIAGNOSTIC_H

#include "llvm/ADT/StringRef.h"

#include <memory>
#include <string>
#include <vector>

namespace keops::frontend {

/// A piece of formula or alias text; `text` is null if the formula was not
/// written as text.
struct SourceRange {
  std::shared_ptr<const std::string> text;
  size_t offset = 0;
  size_t length = 0;

  /// From the start of this piece to the end of `last`, of the same text.
  SourceRange through(const SourceRange &last) const {
    return {text, offset, last.offset + last.length > offset ? last.offset + last.length - offset : 0};
  }
  llvm::StringRef str() const { return text ? llvm::StringRef(*text).substr(offset, length) : llvm::StringRef(); }
};

/// What went wrong, and where.
struct Diagnostic {
  std::string message;
  SourceRange where;

  /// The message, then the line of text with a caret under the place, if known.
  std::string render() const;
};

/// The word of `known` that `word` was most likely meant to be; empty if none is near.
llvm::StringRef nearestWord(llvm::StringRef word, const std::vector<llvm::StringRef> &known);

/// Text for use inside a message: quoted, cut to a readable length, without
/// characters that a terminal cannot show.
std::string quoted(llvm::StringRef text);

} // namespace keops::frontend

#endif // KEOPS_FRONTEND_DIAGNOSTIC_H
