//===- AsynchronousCopyTest.cpp - Copies on the simulated GPU --------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each thread copies a number into shared memory, without waiting for it, while
// the numbers of the turn before are added. As in SimulatorTest.cpp, wrong
// kernels are the right one with a single thing changed.
//
//===----------------------------------------------------------------------===//

#include "SimulatorTesting.h"

#include <numeric>

using namespace keops::simtest;

static constexpr int64_t Block = 32, Tiles = 5;

/// out_t = sum of 32 · 5 numbers, two buffers of which one is filled while the other is read.
static const std::string Sum =
    kernelText("%in: !llvm.ptr<1>, %out: !llvm.ptr<1>, %tiles: i64", R"(
    %c0 = arith.constant 0 : i64
    %c1 = arith.constant 1 : i64
    %c2 = arith.constant 2 : i64
    %width = arith.constant 32 : i64
    %zero = arith.constant 0.0 : f32
    %index = gpu.thread_id x
    %t = arith.index_cast %index : index to i64
    %tile = llvm.mlir.addressof @tile : !llvm.ptr<3>
    %firstFrom = llvm.getelementptr %in[%t] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
    %firstTo = llvm.getelementptr %tile[%t] : (!llvm.ptr<3>, i64) -> !llvm.ptr<3>, f32
    nvvm.cp.async.shared.global %firstTo, %firstFrom, 4, cache = ca : !llvm.ptr<3>, !llvm.ptr<1>
    nvvm.cp.async.commit.group
    %all = scf.for %n = %c0 to %tiles step %c1 iter_args(%before = %zero) -> f32 : i64 {
      %next = arith.addi %n, %c1 : i64
      %more = arith.cmpi slt, %next, %tiles : i64
      scf.if %more {
        %half = arith.remui %next, %c2 : i64
        %start = arith.muli %half, %width : i64
        %place = arith.addi %start, %t : i64
        %done = arith.muli %next, %width : i64
        %number = arith.addi %done, %t : i64
        %from = llvm.getelementptr %in[%number] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
        %to = llvm.getelementptr %tile[%place] : (!llvm.ptr<3>, i64) -> !llvm.ptr<3>, f32
        nvvm.cp.async.shared.global %to, %from, 4, cache = ca : !llvm.ptr<3>, !llvm.ptr<1>
      }
      nvvm.cp.async.commit.group
      nvvm.cp.async.wait.group 1
      gpu.barrier {arrived}
      %now = arith.remui %n, %c2 : i64
      %begin = arith.muli %now, %width : i64
      %sum = scf.for %k = %c0 to %width step %c1 iter_args(%acc = %before) -> f32 : i64 {
        %at = arith.addi %begin, %k : i64
        %address = llvm.getelementptr %tile[%at] : (!llvm.ptr<3>, i64) -> !llvm.ptr<3>, f32
        %value = llvm.load %address : !llvm.ptr<3> -> f32
        %added = arith.addf %acc, %value : f32
        scf.yield %added : f32
      }
      gpu.barrier {read}
      scf.yield %sum : f32
    }
    %result = llvm.getelementptr %out[%t] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, f32
    llvm.store %all, %result : f32, !llvm.ptr<1>
)",
               "llvm.mlir.global internal @tile() {addr_space = 3 : i32, alignment = 16 : i64} "
               ": !llvm.array<64 x f32>");

namespace {
/// The launch that sums 0, 1, 2, …
struct Problem {
  explicit Problem(uint64_t seed) : in(Block * Tiles), out(Block, -1) {
    std::iota(in.begin(), in.end(), 0.0f);
    launch.block = {Block, 1, 1};
    launch.arguments = {SimArgument(static_cast<void *>(in.data())), static_cast<void *>(out.data()), Tiles};
    launch.buffers = {{in.data(), static_cast<int64_t>(in.size() * sizeof(float)), false},
                      {out.data(), static_cast<int64_t>(out.size() * sizeof(float)), true}};
    launch.seed = seed;
  }

  std::vector<float> in, out;
  SimLaunch launch;
};
} // namespace

static void expectFault(const std::string &text, const std::string &part) {
  auto kernel = compileOrFail(text);
  ASSERT_TRUE(kernel);
  for (uint64_t seed : Seeds) {
    Problem problem(seed);
    EXPECT_FAULT(kernel->launch(problem.launch), part);
  }
}

TEST(AsynchronousCopy, ArrivesWhenItIsWaitedFor) {
  auto kernel = compileOrFail(Sum);
  ASSERT_TRUE(kernel);
  for (uint64_t seed : Seeds) {
    Problem problem(seed);
    auto fault = kernel->launch(problem.launch);
    ASSERT_FALSE(fault) << *fault;
    for (float sum : problem.out)
      EXPECT_EQ(sum, Block * Tiles * (Block * Tiles - 1) / 2);
  }
}

TEST(AsynchronousCopy, FindsMissingWait) {
  expectFault(with(Sum, "nvvm.cp.async.wait.group 1", ""), "has not waited for");
}

TEST(AsynchronousCopy, FindsWaitForTooFew) {
  expectFault(with(Sum, "nvvm.cp.async.wait.group 1", "nvvm.cp.async.wait.group 2"), "has not waited for");
}

TEST(AsynchronousCopy, FindsMissingBarrierAfterWait) {
  expectFault(with(Sum, "gpu.barrier {arrived}", ""), ": thread (");
}

TEST(AsynchronousCopy, FindsMissingBarrierBeforeTheNextCopy) {
  expectFault(with(Sum, "gpu.barrier {read}", ""), ": thread (");
}

TEST(AsynchronousCopy, FindsIndexTooFar) {
  expectFault(with(Sum, "%number = arith.addi %done, %t", "%number = arith.addi %done, %width"), "out of bounds");
}
