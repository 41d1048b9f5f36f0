//===- Table.h - Numbers from and for files ----------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A table is what any source of numbers gives: rows of equally many numbers, in
// the order in which the source had them, so that a kernel can read a file's
// array through strides. Readers are total: any bytes give a table or a
// keops::Error that names the file, what was expected and what came.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TOOLS_RUN_TABLE_H
#define KEOPS_TOOLS_RUN_TABLE_H

#include "keops/Keops.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/Twine.h"

#include <cstring>
#include <string>
#include <vector>

namespace keops::run {

/// Throws keops::Error with `message`.
[[noreturn]] void fail(const llvm::Twine &message);

struct Table {
  DType type = DType::F64;
  int64_t rows = 0;
  int64_t columns = 0;
  /// Component c of row r lies at c·rows + r instead of r·columns + c.
  bool columnMajor = false;
  /// The source had one number a row without saying that rows have one column.
  bool oneDimensional = false;
  /// The elements, rows · columns of them.
  std::vector<char> bytes;

  /// The number in row `row` and column `column`.
  double at(int64_t row, int64_t column) const { return element(positionOf(row, column)); }
  /// Where that number is in memory.
  int64_t positionOf(int64_t row, int64_t column) const {
    return columnMajor ? column * rows + row : row * columns + column;
  }
  /// The number at `position` in memory.
  double element(int64_t position) const;
  /// The same numbers as `newType`, floating point, in the same order.
  Table converted(DType newType) const;
  /// For a kernel.
  ConstArray view() const;
};

/// A table of `rows` × `columns` zeros; throws Error if that is more memory than there can be.
Table makeTable(DType type, int64_t rows, int64_t columns);

/// Puts `value`, rounded to the table's floating type, at `position` in memory.
void setElement(Table &table, int64_t position, double value);

/// An array of NumPy's file format, versions 1 to 3: f2, f4, f8, i8, c8, c16 or
/// V2 for bfloat16, little endian, C or Fortran order, none, one or two
/// dimensions. Complex numbers become pairs of columns. `name` is for messages.
Table parseNumpy(llvm::StringRef bytes, llvm::StringRef name);
/// The bytes of a file that holds `data`, row-major, of this type and shape.
std::string formatNumpyHeader(DType type, llvm::ArrayRef<int64_t> shape);

/// Rows of numbers, one a line, between commas, semicolons or blanks; `#`
/// starts a comment, and the first line may be names.
Table parseCsv(llvm::StringRef text, llvm::StringRef name);

/// The table in the file at `path`; its ending says which format.
Table readFile(const std::string &path);
/// Writes an array in the format that the ending of `path` says.
void writeFile(const std::string &path, const Array &array, llvm::ArrayRef<int64_t> shape);
/// True if `path` ends like a file that can be read and written here.
bool isTableFile(llvm::StringRef path);

} // namespace keops::run

#endif // KEOPS_TOOLS_RUN_TABLE_H
