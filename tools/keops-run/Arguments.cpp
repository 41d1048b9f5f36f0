//===- Arguments.cpp - The arrays of a call ----------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Files know how many rows they have, random numbers and literals do not. So
// files are read first, then the sizes are settled, then the rest is made.
//
//===----------------------------------------------------------------------===//

#include "Arguments.h"
#include "RandomNumbers.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"

#include <charconv>

using namespace keops;
using namespace keops::run;

//===----------------------------------------------------------------------===//
// Aliases
//===----------------------------------------------------------------------===//

Argument run::parseArgument(llvm::StringRef word, int64_t ordinal) {
  Argument argument;
  auto [alias, source] = word.split(':');
  argument.alias = alias.str();
  argument.source = source.trim().str();
  if (word.contains(':') && argument.source.empty())
    fail("'" + word + "': expected a source after the colon: random, a file, or numbers");

  llvm::StringRef variable = alias.trim();
  llvm::StringRef name;
  if (variable.contains('='))
    std::tie(name, variable) = variable.split('=');
  name = name.trim();
  variable = variable.trim();
  // What is malformed here is the compiler's to report: it points at the place.
  llvm::SmallVector<int64_t, 3> integers;
  auto [keyword, list] = variable.split('(');
  keyword = keyword.trim();
  llvm::SmallVector<llvm::StringRef, 3> fields;
  list.split(fields, ',');
  for (llvm::StringRef field : fields) {
    int64_t integer = 0;
    field = field.trim(" \t)");
    if (!field.getAsInteger(10, integer))
      integers.push_back(integer);
  }
  bool hasPosition = integers.size() >= 2;
  argument.position = hasPosition ? integers[0] : ordinal;
  if (keyword == "Vi" || keyword == "Vx" || (keyword == "Var" && integers.size() == 3 && integers[2] == 0))
    argument.index = Index::I;
  if (keyword == "Vj" || keyword == "Vy" || (keyword == "Var" && integers.size() == 3 && integers[2] == 1))
    argument.index = Index::J;
  argument.label = name.empty() ? "argument " + std::to_string(argument.position) : "argument '" + name.str() + "'";
  return argument;
}

//===----------------------------------------------------------------------===//
// Numbers
//===----------------------------------------------------------------------===//

static void fillRandom(Table &table, const RandomSource &source, uint64_t seed, int64_t position) {
  for (int64_t place = 0, size = table.rows * table.columns; place < size; ++place)
    setElement(table, place, randomNumber(source, seed, position, place));
}

static std::vector<double> parseLiterals(const Argument &argument) {
  std::vector<double> numbers;
  llvm::SmallVector<llvm::StringRef> fields;
  llvm::StringRef(argument.source).split(fields, ',');
  for (llvm::StringRef field : fields) {
    field = field.trim();
    field.consume_front("+");
    double number = 0;
    auto [end, error] = std::from_chars(field.begin(), field.end(), number);
    if (error != std::errc() || end != field.end())
      fail(argument.label +
           ": expected the source 'random', a .npy or .csv file, or numbers such as 2.0 or 1,2,3; got '" +
           argument.source + "'");
    numbers.push_back(number);
  }
  return numbers;
}

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

static std::string componentsOf(const runtime::ArgumentInfo &info) {
  return std::to_string(info.dim) + (info.dim == 1 ? " component" : " components");
}

/// Reads a file into the shape that the kernel wants.
static Table loadFile(const Argument &argument, const runtime::ArgumentInfo &info, DType type) {
  Table table = readFile(argument.source);
  if (argument.index == Index::None && table.oneDimensional) {
    table.columns *= table.rows;
    table.rows = 1;
  }
  // A text without any line has no columns to disagree about.
  if (table.rows == 0 && table.columns == 0)
    table.columns = info.dim;
  if (table.columns != info.dim)
    fail(argument.label + " has " + componentsOf(info) + ": expected as many columns in '" + argument.source +
         "', got " + llvm::Twine(table.columns));
  if (argument.index == Index::None && table.rows != 1)
    fail(argument.label + " is a parameter: expected one row in '" + argument.source + "', got " +
         llvm::Twine(table.rows));
  return table.type == type ? std::move(table) : table.converted(type);
}

/// `rows` times the same row.
static Table repeatLiterals(const Argument &argument, const runtime::ArgumentInfo &info, DType type, int64_t rows) {
  std::vector<double> numbers = parseLiterals(argument);
  if (numbers.size() != 1 && static_cast<int64_t>(numbers.size()) != info.dim)
    fail(argument.label + " has " + componentsOf(info) + ": expected as many numbers or a single one, got " +
         llvm::Twine(numbers.size()));
  Table table = makeTable(type, rows, info.dim);
  for (int64_t position = 0; position < rows * info.dim; ++position)
    setElement(table, position, numbers[numbers.size() == 1 ? 0 : position % info.dim]);
  return table;
}

std::vector<Table> run::loadArguments(const std::vector<Argument> &arguments,
                                      const std::vector<runtime::ArgumentInfo> &kernelArguments, DType type,
                                      uint64_t seed, Sizes &sizes) {
  std::vector<const Argument *> byPosition(kernelArguments.size());
  for (const Argument &argument : arguments) {
    if (argument.source.empty())
      fail(argument.label + " has no source: write '" + argument.alias +
           ":random', or the name of a .npy or .csv file, or numbers after the colon");
    if (argument.position >= 0 && argument.position < static_cast<int64_t>(byPosition.size()))
      byPosition[argument.position] = &argument;
  }
  for (size_t position = 0; position < byPosition.size(); ++position)
    if (!byPosition[position])
      fail("the formula's argument " + llvm::Twine(position) + " has no source: declare it as an alias such as 'x=Vi(" +
           llvm::Twine(position) + "," + llvm::Twine(kernelArguments[position].dim) + "):random'");

  // Sizes that are known, and who said so.
  std::string saidI = "--rows", saidJ = "--cols";
  auto settle = [&](const Argument &argument, int64_t rows) {
    if (argument.index == Index::None)
      return;
    std::optional<int64_t> &size = argument.index == Index::I ? sizes.i : sizes.j;
    std::string &said = argument.index == Index::I ? saidI : saidJ;
    if (size && *size != rows)
      fail(argument.label + ": expected " + llvm::Twine(*size) + " rows as " + said +
           (said[0] == '-' ? " says" : " has") + ", got " + llvm::Twine(rows) + " in '" + argument.source + "'");
    if (!size)
      said = argument.label;
    size = rows;
  };
  std::vector<Table> tables(kernelArguments.size());
  for (size_t position = 0; position < tables.size(); ++position) {
    const Argument &argument = *byPosition[position];
    if (!isTableFile(argument.source))
      continue;
    tables[position] = loadFile(argument, kernelArguments[position], type);
    settle(argument, tables[position].rows);
  }
  for (size_t position = 0; position < tables.size(); ++position) {
    const Argument &argument = *byPosition[position];
    const runtime::ArgumentInfo &info = kernelArguments[position];
    if (isTableFile(argument.source))
      continue;
    std::optional<int64_t> rows = argument.index == Index::I   ? sizes.i
                                  : argument.index == Index::J ? sizes.j
                                                               : std::optional<int64_t>(1);
    if (std::optional<RandomSource> source = parseRandomSource(argument.source)) {
      if (!rows)
        fail(argument.label + " is random: say how many rows it has with " +
             (argument.index == Index::I ? "--rows" : "--cols"));
      tables[position] = makeTable(type, *rows, info.dim);
      fillRandom(tables[position], *source, seed, static_cast<int64_t>(position));
      continue;
    }
    tables[position] = repeatLiterals(argument, info, type, rows.value_or(1));
    settle(argument, tables[position].rows);
  }
  // An index that no argument has takes one value, whatever was asked for.
  auto unused = [&](Index index, std::optional<int64_t> &size, const char *option, const char *keyword) {
    bool used = llvm::any_of(byPosition, [&](const Argument *argument) { return argument->index == index; });
    if (!used && size && *size != 1)
      fail(llvm::Twine(option) + " " + llvm::Twine(*size) + " has no effect: no argument is a " + keyword +
           ", so there is one");
    if (!used)
      size = 1;
  };
  unused(Index::I, sizes.i, "--rows", "Vi");
  unused(Index::J, sizes.j, "--cols", "Vj");
  return tables;
}
