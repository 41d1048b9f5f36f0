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

#include <algorithm>
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
constexpr uint64_t formatVersion = 4;

/// Fewest bytes that one argument or result takes; bounds their number.
constexpr uint64_t argumentBytes = 1 + 1 + 8;
constexpr uint64_t resultBytes = 1 + 8 + 8 + 1;
constexpr uint64_t ruleBytes = 11 * 8;
constexpr uint64_t stepArrayBytes = 1 + 8;
constexpr uint64_t stepBytes = 3 + 4 * 8;

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
  /// A number below `count`.
  int64_t below(uint64_t count) {
    uint64_t value = word();
    if (value < count)
      return static_cast<int64_t>(value);
    fail();
    return 0;
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

//===----------------------------------------------------------------------===//
// Parts of an artifact
//===----------------------------------------------------------------------===//

static void write(Writer &writer, const std::vector<ArgumentInfo> &arguments) {
  writer.word(arguments.size());
  for (const ArgumentInfo &argument : arguments) {
    writer.byte(static_cast<uint8_t>(argument.axis));
    writer.byte(static_cast<uint8_t>(argument.type));
    writer.word(argument.dim);
  }
}

static void read(Reader &reader, std::vector<ArgumentInfo> &arguments) {
  arguments.resize(reader.count(argumentBytes));
  for (ArgumentInfo &argument : arguments) {
    argument.axis = reader.enumerator(Axis::Parameter);
    argument.type = reader.enumerator(DType::BF16);
    argument.dim = reader.integer();
  }
}

/// All of a rule but its entry.
static void write(Writer &writer, const LaunchRule &rule) {
  write(writer, rule.arguments);
  writer.word(rule.results.size());
  for (const ResultInfo &result : rule.results) {
    writer.byte(static_cast<uint8_t>(result.type));
    writer.word(result.dim);
    writer.word(result.shape.size());
    for (int64_t extent : result.shape)
      writer.word(extent);
    writer.byte(static_cast<uint8_t>(result.axis));
  }
  writer.word(rule.rowsPerBlock);
  writer.word(rule.rowGranularity);
  writer.word(rule.columnsPerTile);
  writer.word(rule.stateBytes);
  writer.word(rule.scratchBytes);
  writer.word(rule.threads);
  writer.word(rule.sharedBytes);
  writer.word(rule.scatterGroups);
}

static void read(Reader &reader, LaunchRule &rule) {
  read(reader, rule.arguments);
  rule.results.resize(reader.count(resultBytes));
  for (ResultInfo &result : rule.results) {
    result.type = reader.enumerator(DType::BF16);
    result.dim = reader.integer();
    result.shape.resize(reader.count(sizeof(int64_t)));
    for (int64_t &extent : result.shape)
      extent = reader.integer();
    result.axis = reader.enumerator(Axis::Parameter);
  }
  rule.rowsPerBlock = reader.integer();
  rule.rowGranularity = reader.integer();
  rule.columnsPerTile = reader.integer();
  rule.stateBytes = reader.integer();
  rule.scratchBytes = reader.integer();
  rule.threads = reader.integer();
  rule.sharedBytes = reader.integer();
  rule.scatterGroups = reader.integer();
}

static void write(Writer &writer, const std::vector<StepArray> &arrays) {
  writer.word(arrays.size());
  for (const StepArray &array : arrays) {
    writer.byte(static_cast<uint8_t>(array.kind));
    writer.word(array.number);
  }
}

/// Numbers count what `artifact` has.
static void read(Reader &reader, const Artifact &artifact, std::vector<StepArray> &arrays) {
  arrays.resize(reader.count(stepArrayBytes));
  for (StepArray &array : arrays) {
    array.kind = reader.enumerator(StepArray::Kind::Temporary);
    size_t count = array.kind == StepArray::Kind::Argument ? artifact.arguments.size()
                   : array.kind == StepArray::Kind::Result ? artifact.results.size()
                                                           : artifact.temporaries.size();
    array.number = reader.below(count);
  }
}

static void write(Writer &writer, const Step &step) {
  writer.byte(static_cast<uint8_t>(step.operation));
  writer.byte(static_cast<uint8_t>(step.rows));
  writer.byte(static_cast<uint8_t>(step.columns));
  writer.word(step.kernel + 1);
  writer.word(step.groups);
  write(writer, step.inputs);
  write(writer, step.outputs);
}

static void read(Reader &reader, const Artifact &artifact, Step &step) {
  step.operation = reader.enumerator(Step::Operation::Copy);
  step.rows = reader.enumerator(Axis::Parameter);
  step.columns = reader.enumerator(Axis::Parameter);
  step.kernel = reader.below(artifact.kernels.size() + 1) - 1;
  step.groups = reader.integer();
  read(reader, artifact, step.inputs);
  read(reader, artifact, step.outputs);
}

//===----------------------------------------------------------------------===//
// Artifacts
//===----------------------------------------------------------------------===//

std::string keops::runtime::serialize(const Artifact &artifact) {
  Writer writer;
  writer.bytes.reserve(artifact.code.size() + artifact.explanation.size() + 1024);
  writer.bytes.append(magic, sizeof(magic));
  writer.word(formatVersion);
  writer.text(artifact.target);
  writer.text(artifact.entry);
  writer.text(artifact.code);
  write(writer, static_cast<const LaunchRule &>(artifact));
  writer.text(artifact.explanation);
  writer.word(artifact.kernels.size());
  for (const LaunchRule &kernel : artifact.kernels) {
    writer.text(kernel.entry);
    write(writer, kernel);
  }
  write(writer, artifact.temporaries);
  writer.word(artifact.steps.size());
  for (const Step &step : artifact.steps)
    write(writer, step);
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
  read(reader, static_cast<LaunchRule &>(artifact));
  artifact.explanation = reader.text();
  artifact.kernels.resize(reader.count(ruleBytes));
  for (LaunchRule &kernel : artifact.kernels) {
    kernel.entry = reader.text();
    read(reader, kernel);
  }
  read(reader, artifact.temporaries);
  artifact.steps.resize(reader.count(stepBytes));
  for (Step &step : artifact.steps)
    read(reader, artifact, step);
  if (!reader.complete())
    return std::nullopt;
  return artifact;
}
