//===- Diagnostic.cpp - An error in formula text ----------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rendering works for any bytes: only the line that holds the place is shown,
// only a window of a long line, and what cannot be shown becomes one `?`, so
// that the caret stays under its character.
//
//===----------------------------------------------------------------------===//

#include "keops/Frontend/Diagnostic.h"

#include "llvm/ADT/StringExtras.h"

#include <algorithm>
#include <utility>

using namespace keops::frontend;

static bool continuesCharacter(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

/// Appends one character of `text` at `index`, as one column, and moves past it.
static void appendColumn(llvm::StringRef text, size_t &index, std::string &out) {
  size_t begin = index++;
  unsigned char first = text[begin];
  if (first < 0x80) {
    out += first == '\t' ? ' ' : llvm::isPrint(first) ? static_cast<char>(first) : '?';
    return;
  }
  size_t expected = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
  while (index < text.size() && index - begin < expected && continuesCharacter(text[index]))
    ++index;
  if (expected == 1 || index - begin != expected) {
    out += '?';
    return;
  }
  out += text.substr(begin, expected);
}

std::string Diagnostic::render() const {
  if (!where.text)
    return message;
  llvm::StringRef text = *where.text;
  size_t offset = std::min(where.offset, text.size());
  // npos + 1 is 0: the first line.
  size_t begin = text.take_front(offset).rfind('\n') + 1;
  size_t end = std::min(text.find('\n', offset), text.size());

  constexpr size_t window = 60;
  std::string line, marks;
  if (offset - begin > window) {
    begin = offset - window;
    while (begin < offset && continuesCharacter(text[begin]))
      ++begin;
    line = marks = "...";
    marks.assign(3, ' ');
  }
  bool cut = end - offset > window;
  if (cut)
    end = offset + window;

  size_t last = offset + std::max<size_t>(where.length, 1);
  for (size_t index = begin; index < end;) {
    marks += index < offset ? ' ' : index == offset ? '^' : index < last ? '~' : ' ';
    appendColumn(text, index, line);
  }
  if (offset >= end)
    marks += '^';
  while (!marks.empty() && marks.back() == ' ')
    marks.pop_back();
  return message + "\n  " + line + (cut ? "..." : "") + "\n  " + marks;
}

/// Number of letters to insert, delete, replace or swap with their neighbour to
/// make `b` of `a`.
static size_t editDistance(llvm::StringRef a, llvm::StringRef b) {
  // Rows of the table of distances between beginnings of a and of b.
  std::vector<size_t> before, last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before = std::exchange(last, row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row[b.size()];
}

llvm::StringRef keops::frontend::nearestWord(llvm::StringRef word, const std::vector<llvm::StringRef> &known) {
  constexpr size_t longest = 64;
  if (word.size() > longest)
    return {};
  std::string lower = word.lower();
  // One letter alone resembles nothing but itself.
  size_t allowed = word.size() < 2 ? 0 : std::max<size_t>(1, word.size() / 3);
  llvm::StringRef best;
  for (llvm::StringRef candidate : known) {
    if (candidate.size() > 2 * longest)
      continue;
    size_t distance = editDistance(lower, candidate.lower());
    if (distance > allowed || (!best.empty() && distance == allowed))
      continue;
    best = candidate;
    allowed = distance;
  }
  return best;
}

std::string keops::frontend::quoted(llvm::StringRef text) {
  constexpr size_t longest = 40;
  std::string out = "'";
  size_t columns = 0;
  for (size_t index = 0; index < text.size() && columns < longest; ++columns)
    appendColumn(text, index, out);
  return out + (columns == longest ? "...'" : "'");
}
