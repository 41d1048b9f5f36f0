//===- Artifact.cpp - What the compiler hands to the runtime ---------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Artifacts as bytes: a magic word, a format version, then the fields in the
// order of the struct, little-endian on every machine. The reader keeps a
// "failed" state instead of checking after each field, so its body reads like
// the writer's; every length is compared with the bytes that are left before
// anything is allocated for it.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/Artifact.h"

#include <cstring>
#include <utility>

using namespace keops::runtime;

const char *keops::runtime::nameOf(DType type) {
  switch (type) {
  case DType::F32:
    return "float32";
  case DType::F64:
    return "float64";
  case DType::I64:
    return "int64";
  case DType::F16:
    return "float16";
  case DType::BF16:
    return "bfloat16";
  case DType::C64:
    return "complex64";
  case DType::C128:
    return "complex128";
  }
  return "unknown";
}

namespace {

constexpr char magic[8] = {'K', 'E', 'O', 'P', 'S', 'A', 'R', 'T'};
/// Raised whenever the fields below change.
constexpr uint64_t formatVersion = 1;

/// Fewest bytes that one argument or result takes; bounds their number.
constexpr uint64_t argumentBytes = 1 + 1 + 8;
constexpr uint64_t resultBytes = 1 + 8 + 8;

class Writer {
public:
  void byte(uint8_t value) { bytes.push_back(static_cast<char>(value)); }
  void word(uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8)
      byte(static_cast<uint8_t>(value >> shift));
  }
  void text(const std::string &value) {
    word(value.size());
    bytes.append(value);
  }

  std::string bytes;
};

class Reader {
public:
  explicit Reader(const std::string &bytes) : next(bytes.data()), left(bytes.size()) {}

  uint8_t byte() {
    if (!take(1))
      return 0;
    return static_cast<uint8_t>(next[-1]);
  }
  uint64_t word() {
    if (!take(8))
      return 0;
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i)
      value |= static_cast<uint64_t>(static_cast<uint8_t>(next[i - 8])) << (8 * i);
    return value;
  }
  int64_t integer() { return static_cast<int64_t>(word()); }
  std::string text() {
    uint64_t size = word();
    if (!take(size))
      return {};
    return std::string(next - size, size);
  }
  /// A number of elements that take at least `elementBytes` each.
  uint64_t count(uint64_t elementBytes) {
    uint64_t value = word();
    if (value <= left / elementBytes)
      return value;
    fail();
    return 0;
  }
  /// An enumerator whose last value is `last`.
  template <typename Enum>
  Enum enumerator(Enum last) {
    uint8_t value = byte();
    if (value <= static_cast<uint8_t>(last))
      return static_cast<Enum>(value);
    fail();
    return Enum();
  }
  bool atMagic() { return take(sizeof(magic)) && std::memcmp(next - sizeof(magic), magic, sizeof(magic)) == 0; }
  /// All bytes were read, and none was missing or wrong.
  bool complete() const { return !failed && left == 0; }

private:
  bool take(uint64_t size) {
    if (failed || size > left) {
      fail();
      return false;
    }
    next += size;
    left -= size;
    return true;
  }
  void fail() {
    failed = true;
    left = 0;
  }

  const char *next;
  uint64_t left;
  bool failed = false;
};

} // namespace

std::string keops::runtime::serialize(const Artifact &artifact) {
  Writer writer;
  writer.bytes.reserve(artifact.code.size() + artifact.explanation.size() + 1024);
  writer.bytes.append(magic, sizeof(magic));
  writer.word(formatVersion);
  writer.text(artifact.target);
  writer.text(artifact.entry);
  writer.text(artifact.code);
  writer.word(artifact.arguments.size());
  for (const ArgumentInfo &argument : artifact.arguments) {
    writer.byte(static_cast<uint8_t>(argument.axis));
    writer.byte(static_cast<uint8_t>(argument.type));
    writer.word(argument.dim);
  }
  writer.word(artifact.results.size());
  for (const ResultInfo &result : artifact.results) {
    writer.byte(static_cast<uint8_t>(result.type));
    writer.word(result.dim);
    writer.word(result.shape.size());
    for (int64_t extent : result.shape)
      writer.word(extent);
  }
  writer.word(artifact.rowsPerBlock);
  writer.word(artifact.rowGranularity);
  writer.word(artifact.columnsPerTile);
  writer.word(artifact.stateBytes);
  writer.word(artifact.scratchBytes);
  writer.text(artifact.explanation);
  return std::move(writer.bytes);
}

std::optional<Artifact> keops::runtime::deserialize(const std::string &bytes) {
  Reader reader(bytes);
  if (!reader.atMagic() || reader.word() != formatVersion)
    return std::nullopt;

  Artifact artifact;
  artifact.target = reader.text();
  artifact.entry = reader.text();
  artifact.code = reader.text();
  artifact.arguments.resize(reader.count(argumentBytes));
  for (ArgumentInfo &argument : artifact.arguments) {
    argument.axis = reader.enumerator(Axis::Parameter);
    argument.type = reader.enumerator(DType::BF16);
    argument.dim = reader.integer();
  }
  artifact.results.resize(reader.count(resultBytes));
  for (ResultInfo &result : artifact.results) {
    result.type = reader.enumerator(DType::BF16);
    result.dim = reader.integer();
    result.shape.resize(reader.count(sizeof(int64_t)));
    for (int64_t &extent : result.shape)
      extent = reader.integer();
  }
  artifact.rowsPerBlock = reader.integer();
  artifact.rowGranularity = reader.integer();
  artifact.columnsPerTile = reader.integer();
  artifact.stateBytes = reader.integer();
  artifact.scratchBytes = reader.integer();
  artifact.explanation = reader.text();
  if (!reader.complete())
    return std::nullopt;
  return artifact;
}
