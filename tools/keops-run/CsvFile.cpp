//===- CsvFile.cpp - Tables as text ------------------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Text is read one line at a time, without regard to the locale.
//
//===----------------------------------------------------------------------===//

#include "Table.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <charconv>
#include <optional>

using namespace keops;
using namespace keops::run;

static std::optional<double> parseNumber(llvm::StringRef text) {
  text.consume_front("+");
  double value = 0;
  auto [end, error] = std::from_chars(text.begin(), text.end(), value);
  if (error != std::errc() || end != text.end())
    return std::nullopt;
  return value;
}

/// The numbers of one line; none if a field is not a number, which is then in `wrong`.
static std::optional<std::vector<double>> parseLine(llvm::StringRef line, llvm::StringRef &wrong) {
  std::vector<double> numbers;
  auto take = [&](llvm::StringRef field) {
    std::optional<double> number = parseNumber(field);
    if (!number)
      wrong = field;
    else
      numbers.push_back(*number);
    return number.has_value();
  };
  char separator = line.contains(',') ? ',' : line.contains(';') ? ';' : 0;
  while (!line.empty()) {
    llvm::StringRef field;
    if (separator) {
      bool more = line.contains(separator);
      std::tie(field, line) = line.split(separator);
      if (!take(field.trim()))
        return std::nullopt;
      // Nothing after the last separator is a missing number, not the end of the line.
      if (more && line.trim().empty()) {
        wrong = line;
        return std::nullopt;
      }
      continue;
    }
    size_t end = std::min(line.find_first_of(" \t"), line.size());
    if (!take(line.take_front(end)))
      return std::nullopt;
    line = line.drop_front(end).ltrim();
  }
  return numbers;
}

Table run::parseCsv(llvm::StringRef text, llvm::StringRef name) {
  std::vector<double> numbers;
  int64_t rows = 0, columns = 0;
  bool first = true;
  for (int64_t lineNumber = 1; !text.empty(); ++lineNumber) {
    llvm::StringRef line, wrong;
    std::tie(line, text) = text.split('\n');
    line = line.split('#').first.trim();
    if (line.empty())
      continue;
    std::optional<std::vector<double>> row = parseLine(line, wrong);
    bool mayBeNames = std::exchange(first, false);
    if (!row) {
      // A first line that holds no number at all names the columns.
      if (mayBeNames && llvm::none_of(llvm::split(line, line.contains(',') ? ',' : ';'),
                                      [](llvm::StringRef field) { return parseNumber(field.trim()).has_value(); }))
        continue;
      std::string shown;
      for (char c : wrong.take_front(40))
        shown += llvm::isPrint(c) ? c : '?';
      fail("'" + name + "', line " + llvm::Twine(lineNumber) + ": expected a number, got '" + shown + "'");
    }
    if (rows == 0)
      columns = static_cast<int64_t>(row->size());
    if (static_cast<int64_t>(row->size()) != columns)
      fail("'" + name + "', line " + llvm::Twine(lineNumber) + ": expected " + llvm::Twine(columns) +
           " numbers as in the lines before, got " + llvm::Twine(row->size()));
    numbers.insert(numbers.end(), row->begin(), row->end());
    ++rows;
  }
  Table table = makeTable(DType::F64, rows, columns);
  table.oneDimensional = columns == 1;
  if (!numbers.empty())
    std::memcpy(table.bytes.data(), numbers.data(), table.bytes.size());
  return table;
}
