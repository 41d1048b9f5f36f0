//===- ArtifactTest.cpp - Artifacts as bytes -------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/Artifact.h"

#include "gtest/gtest.h"

#include <limits>
#include <random>

using namespace keops::runtime;

namespace {

Artifact sample() {
  Artifact artifact;
  artifact.target = "znver3";
  artifact.entry = "kernel_0";
  artifact.code = std::string("\x7f"
                              "ELF\0\0code",
                              10);
  artifact.arguments = {{Axis::Row, DType::F32, 3}, {Axis::Column, DType::F64, 1}, {Axis::Parameter, DType::I64, 100}};
  artifact.results = {{DType::F32, 6, {2, 3}}, {DType::I64, 1, {}}};
  artifact.rowsPerBlock = 256;
  artifact.rowGranularity = 32;
  artifact.columnsPerTile = 512;
  artifact.stateBytes = 4096;
  artifact.scratchBytes = std::numeric_limits<int64_t>::max();
  artifact.threads = 128;
  artifact.sharedBytes = 49152;
  artifact.scatterGroups = 2;
  artifact.explanation = "lanes over rows";
  return artifact;
}

/// A program of two kernels and a move.
Artifact program() {
  Artifact artifact = sample();
  LaunchRule first = sample(), second = sample();
  second.entry = "kernel_1";
  second.rowsPerBlock = 7;
  artifact.kernels = {first, second};
  artifact.results[1].axis = Axis::Parameter;
  artifact.temporaries = {{Axis::Column, DType::I64, 4}, {Axis::Row, DType::F64, 2}};
  using Kind = StepArray::Kind;
  artifact.steps = {
      {Step::Operation::Launch, Axis::Column, Axis::Row, 1, 1, {{Kind::Argument, 2}}, {{Kind::Temporary, 0}}},
      {Step::Operation::Scatter,
       Axis::Row,
       Axis::Column,
       Step::NoKernel,
       2,
       {{Kind::Argument, 0}, {Kind::Temporary, 0}},
       {{Kind::Temporary, 1}}},
      {Step::Operation::Launch,
       Axis::Row,
       Axis::Parameter,
       0,
       1,
       {{Kind::Temporary, 1}},
       {{Kind::Result, 0}, {Kind::Result, 1}}}};
  return artifact;
}

void expectEqual(const LaunchRule &a, const LaunchRule &b) {
  EXPECT_EQ(a.entry, b.entry);
  ASSERT_EQ(a.arguments.size(), b.arguments.size());
  for (size_t i = 0; i < a.arguments.size(); ++i) {
    EXPECT_EQ(a.arguments[i].axis, b.arguments[i].axis);
    EXPECT_EQ(a.arguments[i].type, b.arguments[i].type);
    EXPECT_EQ(a.arguments[i].dim, b.arguments[i].dim);
  }
  ASSERT_EQ(a.results.size(), b.results.size());
  for (size_t i = 0; i < a.results.size(); ++i) {
    EXPECT_EQ(a.results[i].type, b.results[i].type);
    EXPECT_EQ(a.results[i].dim, b.results[i].dim);
    EXPECT_EQ(a.results[i].shape, b.results[i].shape);
    EXPECT_EQ(a.results[i].axis, b.results[i].axis);
  }
  EXPECT_EQ(a.rowsPerBlock, b.rowsPerBlock);
  EXPECT_EQ(a.rowGranularity, b.rowGranularity);
  EXPECT_EQ(a.columnsPerTile, b.columnsPerTile);
  EXPECT_EQ(a.stateBytes, b.stateBytes);
  EXPECT_EQ(a.scratchBytes, b.scratchBytes);
  EXPECT_EQ(a.threads, b.threads);
  EXPECT_EQ(a.sharedBytes, b.sharedBytes);
  EXPECT_EQ(a.scatterGroups, b.scatterGroups);
}

void expectEqual(const std::vector<StepArray> &a, const std::vector<StepArray> &b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].kind, b[i].kind);
    EXPECT_EQ(a[i].number, b[i].number);
  }
}

void expectEqual(const Artifact &a, const Artifact &b) {
  EXPECT_EQ(a.target, b.target);
  EXPECT_EQ(a.code, b.code);
  EXPECT_EQ(a.explanation, b.explanation);
  expectEqual(static_cast<const LaunchRule &>(a), static_cast<const LaunchRule &>(b));
  ASSERT_EQ(a.kernels.size(), b.kernels.size());
  for (size_t i = 0; i < a.kernels.size(); ++i)
    expectEqual(a.kernels[i], b.kernels[i]);
  ASSERT_EQ(a.temporaries.size(), b.temporaries.size());
  for (size_t i = 0; i < a.temporaries.size(); ++i) {
    EXPECT_EQ(a.temporaries[i].axis, b.temporaries[i].axis);
    EXPECT_EQ(a.temporaries[i].type, b.temporaries[i].type);
    EXPECT_EQ(a.temporaries[i].dim, b.temporaries[i].dim);
  }
  ASSERT_EQ(a.steps.size(), b.steps.size());
  for (size_t i = 0; i < a.steps.size(); ++i) {
    EXPECT_EQ(a.steps[i].operation, b.steps[i].operation);
    EXPECT_EQ(a.steps[i].rows, b.steps[i].rows);
    EXPECT_EQ(a.steps[i].columns, b.steps[i].columns);
    EXPECT_EQ(a.steps[i].kernel, b.steps[i].kernel);
    EXPECT_EQ(a.steps[i].groups, b.steps[i].groups);
    expectEqual(a.steps[i].inputs, b.steps[i].inputs);
    expectEqual(a.steps[i].outputs, b.steps[i].outputs);
  }
}

/// Offset of the 64-bit length of `code` in the bytes of `sample()`.
size_t codeLengthOffset() { return 8 + 8 + (8 + sample().target.size()) + (8 + sample().entry.size()); }

TEST(Artifact, NamesOfTypes) {
  EXPECT_STREQ(nameOf(DType::F32), "float32");
  EXPECT_STREQ(nameOf(DType::F64), "float64");
  EXPECT_STREQ(nameOf(DType::I64), "int64");
}

TEST(Artifact, RoundTrip) {
  for (const Artifact &artifact : {sample(), program(), Artifact()}) {
    std::optional<Artifact> again = deserialize(serialize(artifact));
    ASSERT_TRUE(again.has_value());
    expectEqual(artifact, *again);
  }
}

TEST(Artifact, BytesAreLittleEndian) {
  std::string bytes = serialize(sample());
  EXPECT_EQ(bytes.substr(0, 8), "KEOPSART");
  EXPECT_EQ(bytes.substr(codeLengthOffset(), 8), std::string("\x0a\0\0\0\0\0\0\0", 8));
}

TEST(Artifact, EveryTruncationIsNothing) {
  for (const Artifact &artifact : {sample(), program()}) {
    std::string bytes = serialize(artifact);
    for (size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(deserialize(bytes.substr(0, size)).has_value()) << "first " << size << " bytes";
    EXPECT_FALSE(deserialize(bytes + '\0').has_value()) << "one byte more";
  }
}

/// A step that names what is not there would read anything.
TEST(Artifact, NumbersBeyondTheirListsAreNothing) {
  for (auto change : {+[](Artifact &artifact) { artifact.steps[0].kernel = 2; },
                      +[](Artifact &artifact) { artifact.steps[0].inputs[0].number = 3; },
                      +[](Artifact &artifact) { artifact.steps[1].outputs[0].number = 2; },
                      +[](Artifact &artifact) { artifact.steps[2].outputs[1].number = -1; }}) {
    Artifact artifact = program();
    change(artifact);
    EXPECT_FALSE(deserialize(serialize(artifact)).has_value());
  }
}

TEST(Artifact, AlienBytesAreNothing) {
  std::string bytes = serialize(sample());
  EXPECT_FALSE(deserialize(std::string(1000, '\0')).has_value());
  EXPECT_FALSE(deserialize(std::string(1000, '\xff')).has_value());
  std::string otherMagic = bytes;
  otherMagic[0] ^= 1;
  EXPECT_FALSE(deserialize(otherMagic).has_value());
  std::string otherVersion = bytes;
  otherVersion[8] ^= 1;
  EXPECT_FALSE(deserialize(otherVersion).has_value());
}

TEST(Artifact, LengthsBeyondTheEndAllocateNothing) {
  // Were a length believed before it is compared with what is left, each of these would ask for exabytes.
  std::string bytes = serialize(sample());
  size_t counts = codeLengthOffset() + 8 + sample().code.size();
  for (size_t offset : {codeLengthOffset(), counts})
    for (const char *length : {"\xff\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\x0f"}) {
      std::string broken = bytes;
      broken.replace(offset, 8, length, 8);
      EXPECT_FALSE(deserialize(broken).has_value()) << "length at " << offset;
    }
}

TEST(Artifact, UnknownEnumeratorsAreNothing) {
  std::string bytes = serialize(sample());
  size_t firstArgument = codeLengthOffset() + 8 + sample().code.size() + 8;
  // After the last axis, and after the last type that kernels know: complex numbers are pairs to them.
  for (auto [offset, value] : {std::pair(firstArgument, 3), std::pair(firstArgument + 1, 5)}) {
    std::string broken = bytes;
    broken[offset] = static_cast<char>(value);
    EXPECT_FALSE(deserialize(broken).has_value()) << "byte " << offset;
  }
}

TEST(Artifact, FlippedBitsNeverCrash) {
  std::string bytes = serialize(program());
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    std::string broken = bytes;
    for (int flips = 1 + round % 8; flips > 0; --flips)
      broken[random() % broken.size()] ^= static_cast<char>(1u << random() % 8);
    // Either nothing, or an artifact that these very bytes spell.
    if (std::optional<Artifact> artifact = deserialize(broken)) {
      EXPECT_EQ(serialize(*artifact), broken);
    }
  }
}

} // namespace
