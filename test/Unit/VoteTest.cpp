//===- VoteTest.cpp - Tests of votes in the simulator ---------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Groups of 32 threads that ask whether any of them says yes.
//
//===----------------------------------------------------------------------===//

#include "SimulatorTesting.h"

using namespace keops::runtime;
using namespace keops::simtest;

/// Thread t counts the turns until one of its group has reached `turns` times the number of its group and one.
static const std::string Count = kernelText("%out: !llvm.ptr<1>, %turns: i32", R"(
    %c0 = arith.constant 0 : i32
    %c1 = arith.constant 1 : i32
    %all = arith.constant -1 : i32
    %width = arith.constant 32 : index
    %t = gpu.thread_id x
    %lane = gpu.lane_id
    %group = arith.divui %t, %width : index
    %last = arith.constant 31 : index
    %isLast = arith.cmpi eq, %lane, %last : index
    %group32 = arith.index_cast %group : index to i32
    %number = arith.addi %group32, %c1 : i32
    %goal = arith.muli %turns, %number : i32
    %count = scf.while (%done = %c0) : (i32) -> i32 {
      %reached = arith.cmpi uge, %done, %goal : i32
      %yes = arith.andi %reached, %isLast : i1
      %any = nvvm.vote.sync any %all, %yes -> i1
      %true = arith.constant true
      %more = arith.xori %any, %true : i1
      scf.condition(%more) %done : i32
    } do {
    ^bb0(%done: i32):
      %next = arith.addi %done, %c1 : i32
      scf.yield %next : i32
    }
    %t64 = arith.index_cast %t : index to i64
    %p = llvm.getelementptr %out[%t64] : (!llvm.ptr<1>, i64) -> !llvm.ptr<1>, i32
    llvm.store %count, %p : i32, !llvm.ptr<1>
  )");

namespace {
struct Problem {
  explicit Problem(uint64_t seed) : out(96, -1) {
    launch.block = {96, 1, 1};
    launch.arguments = {SimArgument(static_cast<void *>(out.data())), int32_t(5)};
    launch.buffers = {{out.data(), static_cast<int64_t>(out.size() * sizeof(int32_t)), /*writable=*/true}};
    launch.seed = seed;
  }

  std::vector<int32_t> out;
  SimLaunch launch;
};
} // namespace

TEST(Vote, IsOneOfAGroup) {
  auto kernel = compileOrFail(Count);
  ASSERT_TRUE(kernel);
  for (uint64_t seed : Seeds) {
    Problem problem(seed);
    auto fault = kernel->launch(problem.launch);
    ASSERT_FALSE(fault) << *fault;
    for (int32_t t = 0; t < 96; ++t)
      EXPECT_EQ(problem.out[t], 5 * (t / 32 + 1));
  }
}

TEST(Vote, FindsThreadsThatAreMissing) {
  auto kernel = compileOrFail(Count);
  ASSERT_TRUE(kernel);
  Problem problem(/*seed=*/1);
  problem.launch.block = {72, 1, 1};
  EXPECT_FAULT(kernel->launch(problem.launch), "divergent vote: the threads of a group of 32 in a mask must take part");
}

TEST(Vote, FindsThreadsThatLeaveAlone) {
  // Each thread leaves when it alone has reached its own number.
  std::string text = with(Count, "%more = arith.xori %any, %true", "%more = arith.xori %reached, %true");
  text = with(text, "arith.muli %turns, %number", "arith.addi %turns, %lane32");
  text = with(text, "%group32 =", "%lane32 = arith.index_cast %lane : index to i32\n    %group32 =");
  auto kernel = compileOrFail(text);
  ASSERT_TRUE(kernel);
  for (uint64_t seed : Seeds)
    EXPECT_FAULT(kernel->launch(Problem(seed).launch), "divergent vote");
}

TEST(Vote, OfAnotherKindIsRefused) {
  std::string error;
  EXPECT_FALSE(compile(with(Count, "vote.sync any", "vote.sync all"), error));
  EXPECT_NE(error.find("the simulator asks whether any thread says yes, but met"), std::string::npos) << error;
}
