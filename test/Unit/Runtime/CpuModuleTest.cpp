//===- CpuModuleTest.cpp - An artifact's code, loaded into this process ----===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/CpuModule.h"

#include "ObjectCode.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>
#include <iterator>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

using namespace keops::runtime;
using namespace keops::runtime::test;

namespace {

/// Writes exp(2) + `number`, with a call of the math library and one of the C
/// library, constant data and a variable.
Artifact realKernel(int number) {
  Artifact artifact;
  artifact.entry = "kernel";
  artifact.code = objectOf(R"(
@numbers = private constant [2 x double] [double 2.0, double )" +
                           std::to_string(number) + R"(.0]
@calls = internal global i64 0
declare double @exp(double)
declare void @memset(ptr, i32, i64)
define void @kernel_accumulate(ptr %frame) {
  %statePlace = getelementptr i8, ptr %frame, i64 64
  %state = load ptr, ptr %statePlace
  call void @memset(ptr %state, i32 0, i64 64)
  %two = load volatile double, ptr @numbers
  %e = call double @exp(double %two)
  store double %e, ptr %state
  %before = load i64, ptr @calls
  %after = add i64 %before, 1
  store i64 %after, ptr @calls
  %callsPlace = getelementptr i8, ptr %state, i64 8
  store i64 %after, ptr %callsPlace
  ret void
}
define void @kernel_finalize(ptr %frame) {
  %statePlace = getelementptr i8, ptr %frame, i64 64
  %state = load ptr, ptr %statePlace
  %e = load double, ptr %state
  %numberPlace = getelementptr i8, ptr @numbers, i64 8
  %number = load volatile double, ptr %numberPlace
  %sum = fadd double %e, %number
  store double %sum, ptr %state
  ret void
}
)");
  return artifact;
}

/// What `realKernel` computes.
double run(const CpuModule &module) {
  alignas(64) double state[8];
  KernelFrame frame;
  frame.state = state;
  module.kernel(0).accumulate(&frame);
  module.kernel(0).finalize(&frame);
  return state[0];
}

/// Lines in the table of this process's mappings.
size_t numMappings() {
  std::ifstream table("/proc/self/maps");
  return std::count(std::istreambuf_iterator<char>(table), std::istreambuf_iterator<char>(), '\n');
}

TEST(CpuModule, LoadsAndRuns) {
  std::string error;
  std::unique_ptr<CpuModule> module = CpuModule::load(realKernel(10), error);
  ASSERT_TRUE(module) << error;
  EXPECT_DOUBLE_EQ(run(*module), std::exp(2.0) + 10);
}

TEST(CpuModule, ManyAtOnceEachWithItsOwnCodeAndData) {
  std::vector<std::unique_ptr<CpuModule>> modules;
  std::string error;
  for (int i = 0; i < 20; ++i) {
    modules.push_back(CpuModule::load(realKernel(i), error));
    ASSERT_TRUE(modules.back()) << error;
  }
  for (int i = 0; i < 20; i += 2)
    modules[i].reset();
  for (int i = 1; i < 20; i += 2)
    EXPECT_DOUBLE_EQ(run(*modules[i]), std::exp(2.0) + i);
}

TEST(CpuModule, DestructionUnmapsTheCode) {
  Artifact artifact = realKernel(1);
  std::string error;
  CpuModule::load(artifact, error);
  size_t before = numMappings();
  std::vector<std::unique_ptr<CpuModule>> modules;
  for (int i = 0; i < 100; ++i)
    modules.push_back(CpuModule::load(artifact, error));
  size_t during = numMappings();
  EXPECT_GE(during, before + 100);
  modules.clear();
  EXPECT_LT(numMappings(), before + 20);
}

TEST(CpuModule, LoadsFromSeveralThreads) {
  Artifact artifact = realKernel(5);
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 20; ++round) {
        std::string error;
        std::unique_ptr<CpuModule> module = CpuModule::load(artifact, error);
        good += module && run(*module) == std::exp(2.0) + 5;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(good, 80);
}

TEST(CpuModule, LoadsInTheChildOfAFork) {
  std::string error;
  std::unique_ptr<CpuModule> before = CpuModule::load(realKernel(1), error);
  Artifact artifact = realKernel(2);
  pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    alarm(10);
    std::unique_ptr<CpuModule> module = CpuModule::load(artifact, error);
    _exit(module && run(*module) == std::exp(2.0) + 2 && run(*before) == std::exp(2.0) + 1 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "child ended with status " << status;
}

/// The sentence with which loading fails.
std::string failure(const Artifact &artifact) {
  std::string error;
  EXPECT_EQ(CpuModule::load(artifact, error), nullptr);
  return error;
}

bool contains(const std::string &text, const std::string &part) { return text.find(part) != std::string::npos; }

TEST(CpuModule, MissingEntryPointIsNamed) {
  Artifact artifact = realKernel(1);
  artifact.entry = "other";
  std::string error = failure(artifact);
  EXPECT_TRUE(contains(error, "Cannot load kernel 'other'")) << error;
  EXPECT_TRUE(contains(error, "other_accumulate")) << error;
}

TEST(CpuModule, EntryPointsAreNotSoughtElsewhere) {
  // The C library has a function of this name, which kernels may call but which is no entry point.
  Artifact artifact;
  artifact.entry = "__cxa";
  artifact.code = objectOf("define void @__cxa_accumulate(ptr %frame) { ret void }");
  EXPECT_TRUE(contains(failure(artifact), "__cxa_finalize"));
}

TEST(CpuModule, UnknownFunctionIsNamed) {
  Artifact artifact;
  artifact.entry = "kernel";
  artifact.code = objectOf(R"(
declare void @keops_no_such_function()
define void @kernel_accumulate(ptr %frame) { call void @keops_no_such_function() ret void }
define void @kernel_finalize(ptr %frame) { ret void }
)");
  std::string error = failure(artifact);
  EXPECT_TRUE(contains(error, "keops_no_such_function")) << error;
}

TEST(CpuModule, WhatIsNoObjectIsRefused) {
  Artifact artifact;
  artifact.entry = "kernel";
  for (const std::string &code : {std::string(), std::string("no object"),
                                  std::string("\x7f"
                                              "ELF"),
                                  std::string(4096, '\0'), realKernel(1).code.substr(0, 200)}) {
    artifact.code = code;
    EXPECT_TRUE(contains(failure(artifact), "Cannot load kernel 'kernel'")) << code.size() << " bytes";
  }
}

TEST(CpuModule, CodeForAnotherProcessorIsRefused) {
#if defined(__x86_64__)
  Artifact artifact;
  artifact.entry = "kernel";
  artifact.code = objectOf("define void @kernel_accumulate(ptr %frame) { ret void }\n"
                           "define void @kernel_finalize(ptr %frame) { ret void }\n",
                           /*forArm=*/true);
  std::string error = failure(artifact);
  EXPECT_TRUE(contains(error, "expected code for x86_64, got code for aarch64")) << error;
#else
  GTEST_SKIP() << "says x86-64 in its text";
#endif
}

} // namespace
