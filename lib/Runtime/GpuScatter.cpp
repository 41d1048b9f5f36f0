//===- GpuScatter.cpp - How rows are scattered on a GPU --------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The functions are those of lib/Lowering/GpuScatter.cpp, which says what they do.
// All take the same parameters: address and two strides of the rows and of the
// numbers, the address of the result, rows of the result and of the numbers; the
// table that says for each batch and argument the elements to the batch's first
// one; of the memory for the first batch the list of places as it is, the list as
// it becomes, what chunks have of each digit, and sums of parts, with the bytes
// from one batch's to the next's; chunks, and places of one; by how much keys are
// shifted to the digit; and places of a part. Change both together.
//
// Batches that have no memory beside each other follow one after the other.
//
//===----------------------------------------------------------------------===//

#include "GpuScatter.h"

#include <algorithm>

using namespace keops::runtime;

/// Bits of a digit, and how many digits there are.
static constexpr int64_t digitBits = 4, digits = 1 << digitBits;
/// A thread sorts so many places, or more where that would be too many threads: one block adds up what all of them
/// found.
static constexpr int64_t placesOfChunk = 128, mostChunks = 16384;
/// Places of a part, at least: sums of fewer terms are never taken apart.
static constexpr int64_t placesOfPart = 256;
/// Of a launch: threads of more would find little to do.
static constexpr int64_t mostBlocks = 1 << 20;
static constexpr auto wordBytes = static_cast<int64_t>(sizeof(int64_t));

static int64_t divideUp(int64_t value, int64_t by) { return value / by + (value % by != 0); }

namespace {
/// The memory of one batch, in words.
struct Layout {
  int64_t first = 0, second; ///< lists of places
  int64_t counts, sums, end;
  int64_t bytes() const { return end * wordBytes; }
};
} // namespace

/// So many that one thread adds up about as many parts as a part has places.
static int64_t chooseParts(int64_t places) {
  int64_t part = placesOfPart;
  while (part * part < places)
    part *= 2;
  return part;
}

GpuPlan keops::runtime::planGpuScatter(const LaunchRule &rule, const CpuCall &call, const GpuFacts &facts) {
  using Kind = GpuParameter::Kind;
  GpuPlan plan;
  int64_t batches = batchesOf(call), dim = rule.results[0].dim, width = dim / rule.scatterGroups;
  int64_t places = call.columns * rule.arguments[1].dim;
  int64_t chunks = std::clamp<int64_t>(divideUp(places, placesOfChunk), 1, mostChunks);
  int64_t part = chooseParts(places);
  Layout layout;
  layout.second = places;
  layout.counts = 2 * places;
  layout.sums = layout.counts + chunks * digits;
  layout.end = layout.sums + places / part * width;
  int64_t batchesAtOnce = std::clamp<int64_t>(facts.stateBytes / layout.bytes(), 1, std::min(batches, facts.gridY));
  plan.scratchBytes = batchesAtOnce * layout.bytes();
  plan.tables = {batchOffsets(call, rule.arguments.size(), batches)};

  int64_t batch = 0;
  auto addLaunch = [&](const char *suffix, int64_t threads, int64_t source, int64_t target, int64_t shift) {
    GpuLaunch launch;
    launch.entry = rule.entry + suffix;
    launch.grid = {std::clamp<int64_t>(divideUp(threads, rule.threads), 1, std::min(facts.gridX, mostBlocks)),
                   std::min(batchesAtOnce, batches - batch)};
    launch.threads = rule.threads;
    auto add = [&](Kind kind, int64_t number, int64_t value) { launch.parameters.push_back({kind, number, value}); };
    for (int64_t n = 0; n < 2; ++n) {
      add(Kind::Input, n, 0);
      add(Kind::Integer, 0, call.rowStrides[n]);
      add(Kind::Integer, 0, call.componentStrides[n]);
    }
    add(Kind::Output, 0, batch * call.rows * dim * sizeOf(rule.results[0].type));
    add(Kind::Integer, 0, call.rows);
    add(Kind::Integer, 0, call.columns);
    add(Kind::Table, 0, batch * 2 * wordBytes);
    for (int64_t place : {source, target, layout.counts, layout.sums})
      add(Kind::Scratch, 0, place * wordBytes);
    for (int64_t value : {layout.bytes(), chunks, divideUp(places, chunks), shift, part})
      add(Kind::Integer, 0, value);
    plan.launches.push_back(std::move(launch));
  };
  for (; batch < batches; batch += batchesAtOnce) {
    int64_t source = layout.first, target = layout.second;
    // The largest key is that of places which name no row.
    for (int64_t shift = 0; places > 0 && call.rows * rule.scatterGroups >> shift != 0; shift += digitBits) {
      addLaunch("_count", chunks, source, target, shift);
      addLaunch("_scan", 1, source, target, shift);
      addLaunch("_place", chunks, source, target, shift);
      std::swap(source, target);
    }
    if (places >= part)
      addLaunch("_parts", places / part * width, source, target, 0);
    addLaunch("", call.rows * dim, source, target, 0);
  }
  return plan;
}
