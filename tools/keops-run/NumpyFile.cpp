//===- NumpyFile.cpp - Arrays in NumPy's file format -------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Such a file is a magic string, a version, the length of a header, the header,
// which is a Python dictionary as text, and the elements. Lengths are checked
// against the file before anything is done with them.
//
//===----------------------------------------------------------------------===//

#include "Table.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

#include <optional>

using namespace keops;
using namespace keops::run;
namespace endian = llvm::support::endian;

static constexpr llvm::StringLiteral magic = "\x93NUMPY";

namespace {

/// What the header says.
struct Header {
  std::optional<std::string> descr;
  std::optional<bool> fortranOrder;
  std::optional<std::vector<int64_t>> shape;
};

/// Reads the dictionary, which has three known keys and simple values.
class HeaderParser {
public:
  HeaderParser(llvm::StringRef text, llvm::StringRef name) : rest(text), name(name) {}

  Header parse() {
    Header header;
    expect("{");
    while (!takeIf("}")) {
      std::string key = parseString("a key");
      expect(":");
      if (key == "descr")
        header.descr = parseDescr();
      else if (key == "fortran_order")
        header.fortranOrder = parseBool();
      else if (key == "shape")
        header.shape = parseShape();
      else
        fail("'" + name + "': expected the keys descr, fortran_order and shape in the header, got '" +
             llvm::StringRef(key).take_front(40) + "'");
      if (takeIf("}"))
        break;
      expect(",");
    }
    if (!header.descr || !header.fortranOrder || !header.shape)
      fail("'" + name + "': expected descr, fortran_order and shape in the header, got only some of them");
    return header;
  }

private:
  bool takeIf(llvm::StringRef token) {
    rest = rest.ltrim();
    return rest.consume_front(token);
  }
  [[noreturn]] void wrong(const llvm::Twine &expected) {
    std::string got;
    for (char c : rest.take_front(20))
      got += llvm::isPrint(c) ? c : '?';
    fail("'" + name + "': expected " + expected + " in the header, got " + (got.empty() ? "its end" : "'" + got + "'"));
  }
  void expect(llvm::StringRef token) {
    if (!takeIf(token))
      wrong("'" + token + "'");
  }
  std::string parseString(const llvm::Twine &what) {
    rest = rest.ltrim();
    if (!rest.starts_with("'") && !rest.starts_with("\""))
      wrong(what + " in quotes");
    char quote = rest.front();
    size_t end = rest.find(quote, 1);
    if (end == llvm::StringRef::npos)
      wrong(what + " in quotes");
    std::string text = rest.slice(1, end).str();
    rest = rest.drop_front(end + 1);
    return text;
  }
  std::string parseDescr() {
    rest = rest.ltrim();
    if (rest.starts_with("["))
      fail("'" + name + "': expected elements of one type, got records of several fields");
    return parseString("the element type");
  }
  bool parseBool() {
    if (takeIf("True"))
      return true;
    if (takeIf("False"))
      return false;
    wrong("True or False");
  }
  std::vector<int64_t> parseShape() {
    std::vector<int64_t> shape;
    expect("(");
    while (!takeIf(")")) {
      rest = rest.ltrim();
      int64_t size = 0;
      llvm::StringRef after = rest;
      if (after.consumeInteger(10, size) || size < 0)
        wrong("the size of a dimension");
      rest = after;
      shape.push_back(size);
      if (takeIf(")"))
        break;
      expect(",");
    }
    return shape;
  }

  llvm::StringRef rest, name;
};

} // namespace

/// NumPy has no name for bfloat16, and writes arrays of it as elements of two bytes.
static constexpr std::pair<llvm::StringLiteral, DType> kTypes[] = {
    {"<f4", DType::F32},  {"<f8", DType::F64}, {"<i8", DType::I64},  {"<f2", DType::F16},
    {"<V2", DType::BF16}, {"<c8", DType::C64}, {"<c16", DType::C128}};

/// The element type that a type string such as '<f4' stands for.
static DType parseType(llvm::StringRef descr, llvm::StringRef name) {
  for (auto [text, type] : kTypes)
    if (descr == text)
      return type;
  if (descr == "|V2")
    return DType::BF16;
  std::string shown;
  for (char c : descr.take_front(40))
    shown += llvm::isPrint(c) ? c : '?';
  fail("'" + name +
       "': expected elements of type <f2, <f4, <f8, <i8, <c8 or <c16 (little endian), or <V2 for bfloat16, got '" +
       shown + "'");
}

/// A table of complex numbers as one of twice as many real ones, row by row.
static Table toPairs(const Table &table) {
  Table pairs = makeTable(runtime::realType(table.type), table.rows, 2 * table.columns);
  pairs.oneDimensional = table.oneDimensional;
  int64_t bytes = runtime::sizeOf(table.type);
  char *to = pairs.bytes.data();
  for (int64_t row = 0; row < table.rows; ++row)
    for (int64_t column = 0; column < table.columns; ++column, to += bytes)
      std::memcpy(to, table.bytes.data() + table.positionOf(row, column) * bytes, bytes);
  return pairs;
}

Table run::parseNumpy(llvm::StringRef bytes, llvm::StringRef name) {
  if (!bytes.starts_with(magic) || bytes.size() < 10)
    fail("'" + name + "' is not a .npy file: it does not begin like one");
  unsigned version = static_cast<unsigned char>(bytes[6]);
  if (version < 1 || version > 3)
    fail("'" + name + "': expected version 1, 2 or 3 of the .npy format, got " + llvm::Twine(version));
  size_t start = version == 1 ? 10 : 12;
  if (bytes.size() < start)
    fail("'" + name + "' ends within its header");
  const char *length = bytes.data() + 8;
  size_t headerBytes = version == 1 ? endian::read16le(length) : endian::read32le(length);
  if (headerBytes > bytes.size() - start)
    fail("'" + name + "' ends within its header: " + llvm::Twine(headerBytes) + " bytes are announced, " +
         llvm::Twine(bytes.size() - start) + " are there");
  Header header = HeaderParser(bytes.substr(start, headerBytes), name).parse();
  llvm::StringRef data = bytes.drop_front(start + headerBytes);

  Table table;
  table.type = parseType(*header.descr, name);
  const std::vector<int64_t> &shape = *header.shape;
  if (shape.size() > 2)
    fail("'" + name + "': expected an array of at most two dimensions, got " + llvm::Twine(shape.size()));
  table.rows = shape.empty() ? 1 : shape[0];
  table.columns = shape.size() == 2 ? shape[1] : 1;
  table.oneDimensional = shape.size() < 2;
  table.columnMajor = *header.fortranOrder && shape.size() == 2;
  int64_t size = 0;
  if (llvm::MulOverflow(table.rows, table.columns, size) || llvm::MulOverflow(size, runtime::sizeOf(table.type), size))
    fail("'" + name + "': an array of " + llvm::Twine(table.rows) + " x " + llvm::Twine(table.columns) +
         " numbers is larger than any memory");
  if (static_cast<uint64_t>(size) != data.size())
    fail("'" + name + "': expected " + llvm::Twine(size) + " bytes of data after the header, got " +
         llvm::Twine(data.size()));
  table.bytes.assign(data.begin(), data.end());
  return runtime::partsOf(table.type) == 1 ? std::move(table) : toPairs(table);
}

std::string run::formatNumpyHeader(DType type, llvm::ArrayRef<int64_t> shape) {
  auto known = llvm::find_if(kTypes, [&](const auto &entry) { return entry.second == type; });
  std::string text = "{'descr': '" + known->first.str() + "', 'fortran_order': False, 'shape': (";
  for (int64_t size : shape)
    text += std::to_string(size) + ", ";
  text += "), }"; // Python takes a comma after the last size, and needs one after the only size.
  // The data begins at a multiple of 64.
  size_t total = llvm::alignTo(10 + text.size() + 1, 64);
  text.append(total - 10 - text.size() - 1, ' ');
  text += '\n';
  std::string header = magic.str();
  header += '\1';
  header += '\0';
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}
