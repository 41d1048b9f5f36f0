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

template <typename T>
static T load(const std::vector<char> &bytes, int64_t position) {
  T value;
  std::memcpy(&value, bytes.data() + position * sizeof(T), sizeof(T));
  return value;
}

template <typename T>
static void store(std::vector<char> &bytes, int64_t position, T value) {
  std::memcpy(bytes.data() + position * sizeof(T), &value, sizeof(T));
}

double Table::element(int64_t position) const {
  switch (type) {
  case DType::F32:
    return load<float>(bytes, position);
  case DType::F64:
    return load<double>(bytes, position);
  case DType::I64:
    return static_cast<double>(load<int64_t>(bytes, position));
  }
  return 0;
}

void run::setElement(Table &table, int64_t position, double value) {
  if (table.type == DType::F32)
    store(table.bytes, position, static_cast<float>(value));
  else
    store(table.bytes, position, value);
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
  if (array.type == DType::F32)
    end = std::to_chars(text, text + sizeof(text), static_cast<const float *>(array.data)[position]).ptr;
  else if (array.type == DType::F64)
    end = std::to_chars(text, text + sizeof(text), static_cast<const double *>(array.data)[position]).ptr;
  else
    end = std::to_chars(text, text + sizeof(text), static_cast<const int64_t *>(array.data)[position]).ptr;
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
