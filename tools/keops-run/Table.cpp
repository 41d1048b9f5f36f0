//===- Table.cpp - Numbers from and for files --------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Numbers are copied, never viewed in place, so nothing depends on how a file
// aligns them.
//
//===----------------------------------------------------------------------===//

#include "Table.h"

#include "keops/Runtime/Element.h"

#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <charconv>

using namespace keops;
using namespace keops::run;

void run::fail(const llvm::Twine &message) { throw Error(message.str()); }

//===----------------------------------------------------------------------===//
// Tables
//===----------------------------------------------------------------------===//

double Table::element(int64_t position) const { return runtime::readElement(type, bytes.data(), position); }

void run::setElement(Table &table, int64_t position, double value) {
  runtime::writeElement(table.type, table.bytes.data(), position, value);
}

Table run::makeTable(DType type, int64_t rows, int64_t columns) {
  int64_t size = 0;
  if (llvm::MulOverflow(rows, columns, size) || llvm::MulOverflow(size, runtime::sizeOf(type), size))
    fail("an array of " + llvm::Twine(rows) + " x " + llvm::Twine(columns) + " numbers is larger than any memory");
  Table table;
  table.type = type;
  table.rows = rows;
  table.columns = columns;
  table.bytes.resize(size);
  return table;
}

Table Table::converted(DType newType) const {
  Table table = makeTable(newType, rows, columns);
  table.columnMajor = columnMajor;
  table.oneDimensional = oneDimensional;
  for (int64_t position = 0; position < rows * columns; ++position)
    setElement(table, position, element(position));
  return table;
}

ConstArray Table::view() const {
  ConstArray array;
  array.data = bytes.data();
  array.rows = rows;
  array.dim = columns;
  array.type = type;
  array.rowStride = columnMajor ? 1 : columns;
  array.componentStride = columnMajor ? rows : 1;
  return array;
}

//===----------------------------------------------------------------------===//
// Files
//===----------------------------------------------------------------------===//

bool run::isTableFile(llvm::StringRef path) { return path.ends_with(".npy") || path.ends_with(".csv"); }

Table run::readFile(const std::string &path) {
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> file =
      llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    fail("cannot read '" + path + "': " + file.getError().message());
  llvm::StringRef bytes = (*file)->getBuffer();
  return llvm::StringRef(path).ends_with(".csv") ? parseCsv(bytes, path) : parseNumpy(bytes, path);
}

static void writeNumber(llvm::raw_ostream &out, const Array &array, int64_t position) {
  char text[64];
  char *end = text;
  double value = runtime::readElement(array.type, array.data, position);
  if (array.type == DType::I64)
    end = std::to_chars(text, text + sizeof(text), static_cast<const int64_t *>(array.data)[position]).ptr;
  else if (array.type == DType::F64)
    end = std::to_chars(text, text + sizeof(text), value).ptr;
  else // The shortest text that is this float32 number; numbers of 16 bits are such numbers.
    end = std::to_chars(text, text + sizeof(text), static_cast<float>(value)).ptr;
  out << llvm::StringRef(text, end - text);
}

void run::writeFile(const std::string &path, const Array &array, llvm::ArrayRef<int64_t> shape) {
  std::error_code error;
  llvm::raw_fd_ostream out(path, error);
  if (!error && llvm::StringRef(path).ends_with(".csv")) {
    for (int64_t row = 0; row < array.rows; ++row)
      for (int64_t d = 0; d < array.dim; ++d) {
        writeNumber(out, array, row * array.dim + d);
        out << (d + 1 == array.dim ? '\n' : ',');
      }
  } else if (!error) {
    out << formatNumpyHeader(array.type, shape);
    out.write(static_cast<const char *>(array.data), array.rows * array.dim * runtime::sizeOf(array.type));
  }
  if (!error) {
    out.close();
    error = out.error();
    out.clear_error();
  }
  if (error)
    fail("cannot write '" + path + "': " + error.message());
}
