//===- SimulatedOpsTest.cpp - What the simulator runs and refuses ----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each family of operations against the C++ functions of the same meaning, and
// the sentences for what is not run.
//
//===----------------------------------------------------------------------===//

#include "SimulatorTesting.h"

#include <array>
#include <cmath>
#include <cstring>
#include <functional>

using namespace keops::simtest;

//===----------------------------------------------------------------------===//
// What operations compute
//===----------------------------------------------------------------------===//

/// Runs one thread of `body` on `input`, with %in and %out pointing to eight
/// floats each.
static std::optional<std::string> runAlone(const std::string &body, const std::array<float, 8> &input,
                                           std::array<float, 8> &output) {
  auto kernel = compileOrFail(kernelText("%in: !llvm.ptr<1>, %out: !llvm.ptr<1>", body));
  if (!kernel)
    return "does not compile";
  alignas(32) std::array<float, 8> in = input, out = {};
  SimLaunch launch;
  launch.arguments = {SimArgument(static_cast<void *>(in.data())), static_cast<void *>(out.data())};
  launch.buffers = {{in.data(), sizeof(in), /*writable=*/false}, {out.data(), sizeof(out), /*writable=*/true}};
  auto fault = kernel->launch(launch);
  output = out;
  return fault;
}

TEST(SimulatedOps, FunctionsOfOneNumber) {
  struct Function {
    const char *name;
    std::function<double(double)> meaning;
  };
  const Function functions[] = {
      {"math.absf", [](double x) { return std::fabs(x); }},
      {"math.acos", [](double x) { return std::acos(x); }},
      {"math.asin", [](double x) { return std::asin(x); }},
      {"math.asinh", [](double x) { return std::asinh(x); }},
      {"math.atan", [](double x) { return std::atan(x); }},
      {"math.atanh", [](double x) { return std::atanh(x); }},
      {"math.cbrt", [](double x) { return std::cbrt(x); }},
      {"math.ceil", [](double x) { return std::ceil(x); }},
      {"math.cos", [](double x) { return std::cos(x); }},
      {"math.cosh", [](double x) { return std::cosh(x); }},
      {"math.erf", [](double x) { return std::erf(x); }},
      {"math.erfc", [](double x) { return std::erfc(x); }},
      {"math.exp", [](double x) { return std::exp(x); }},
      {"math.exp2", [](double x) { return std::exp2(x); }},
      {"math.expm1", [](double x) { return std::expm1(x); }},
      {"math.floor", [](double x) { return std::floor(x); }},
      {"math.log", [](double x) { return std::log(x); }},
      {"math.log10", [](double x) { return std::log10(x); }},
      {"math.log1p", [](double x) { return std::log1p(x); }},
      {"math.log2", [](double x) { return std::log2(x); }},
      {"math.round", [](double x) { return std::round(x); }},
      {"math.roundeven", [](double x) { return std::nearbyint(x); }},
      {"math.rsqrt", [](double x) { return 1 / std::sqrt(x); }},
      {"math.sin", [](double x) { return std::sin(x); }},
      {"math.sinh", [](double x) { return std::sinh(x); }},
      {"math.sqrt", [](double x) { return std::sqrt(x); }},
      {"math.tan", [](double x) { return std::tan(x); }},
      {"math.tanh", [](double x) { return std::tanh(x); }},
      {"math.trunc", [](double x) { return std::trunc(x); }},
      {"llvm.intr.exp", [](double x) { return std::exp(x); }},
      {"llvm.intr.exp2", [](double x) { return std::exp2(x); }},
      {"llvm.intr.log", [](double x) { return std::log(x); }},
      {"llvm.intr.log2", [](double x) { return std::log2(x); }},
      {"llvm.intr.sin", [](double x) { return std::sin(x); }},
      {"llvm.intr.cos", [](double x) { return std::cos(x); }},
      {"llvm.intr.sqrt", [](double x) { return std::sqrt(x); }},
      {"llvm.intr.fabs", [](double x) { return std::fabs(x); }},
      {"llvm.intr.floor", [](double x) { return std::floor(x); }},
      {"llvm.intr.rint", [](double x) { return std::nearbyint(x); }},
  };
  const std::array<float, 8> input = {0.125f, 0.25f, 0.3f, 0.5f, 0.7f, 0.75f, 0.9f, 0.99f};
  for (const Function &function : functions) {
    std::string name = function.name;
    std::string call =
        name.substr(0, 5) == "math." ? name + " %x : vector<8xf32>" : name + "(%x) : (vector<8xf32>) -> vector<8xf32>";
    std::array<float, 8> output;
    auto fault = runAlone("%x = llvm.load %in : !llvm.ptr<1> -> vector<8xf32>\n%y = " + call +
                              "\nllvm.store %y, %out : vector<8xf32>, !llvm.ptr<1>",
                          input, output);
    ASSERT_FALSE(fault) << name << ": " << *fault;
    for (size_t i = 0; i < input.size(); ++i)
      EXPECT_NEAR(output[i], function.meaning(input[i]), 1e-6 * (1 + std::fabs(output[i]))) << name << " " << input[i];
  }
}

TEST(SimulatedOps, FunctionsOfTwoNumbers) {
  struct Function {
    const char *name;
    std::function<double(double, double)> meaning;
  };
  const Function functions[] = {
      {"math.atan2", [](double x, double y) { return std::atan2(x, y); }},
      {"math.copysign", [](double x, double y) { return std::copysign(x, y); }},
      {"math.powf", [](double x, double y) { return std::pow(x, y); }},
      {"arith.remf", [](double x, double y) { return std::fmod(x, y); }},
      {"arith.divf", [](double x, double y) { return x / y; }},
      {"arith.maxnumf", [](double x, double y) { return std::fmax(x, y); }},
      {"arith.minnumf", [](double x, double y) { return std::fmin(x, y); }},
      {"arith.minimumf", [](double x, double y) { return std::fmin(x, y); }},
      {"llvm.intr.pow", [](double x, double y) { return std::pow(x, y); }},
      {"llvm.intr.copysign", [](double x, double y) { return std::copysign(x, y); }},
      {"llvm.intr.maxnum", [](double x, double y) { return std::fmax(x, y); }},
      {"llvm.intr.minnum", [](double x, double y) { return std::fmin(x, y); }},
      {"llvm.intr.maximum", [](double x, double y) { return std::fmax(x, y); }},
      {"llvm.intr.minimum", [](double x, double y) { return std::fmin(x, y); }},
  };
  const std::array<float, 8> input = {0.5f, 1.5f, 2.0f, 3.25f, -1.0f, 0.75f, 4.0f, 3.0f};
  for (const Function &function : functions) {
    std::string name = function.name;
    std::string call = name.substr(0, 5) != "llvm."
                           ? name + " %x, %y : vector<4xf32>"
                           : name + "(%x, %y) : (vector<4xf32>, vector<4xf32>) -> vector<4xf32>";
    std::array<float, 8> output;
    auto fault = runAlone("%x = llvm.load %in : !llvm.ptr<1> -> vector<4xf32>\n"
                          "%q = llvm.getelementptr %in[4] : (!llvm.ptr<1>) -> !llvm.ptr<1>, f32\n"
                          "%y = llvm.load %q : !llvm.ptr<1> -> vector<4xf32>\n%z = " +
                              call + "\nllvm.store %z, %out : vector<4xf32>, !llvm.ptr<1>",
                          input, output);
    ASSERT_FALSE(fault) << name << ": " << *fault;
    for (size_t i = 0; i < 4; ++i)
      EXPECT_NEAR(output[i], function.meaning(input[i], input[i + 4]), 1e-6 * (1 + std::fabs(output[i]))) << name;
  }
}

TEST(SimulatedOps, IntegersAndPredicates) {
  std::array<float, 8> output;
  auto fault = runAlone(R"(
    %x = llvm.load %in : !llvm.ptr<1> -> vector<4xf32>
    %nan = math.isnan %x : vector<4xf32>
    %least = arith.constant dense<0xFF800000> : vector<4xf32>
    %inf = arith.cmpf oeq, %x, %least : vector<4xf32>
    %finite = math.isfinite %x : vector<4xf32>
    %steps = vector.step : vector<4xindex>
    %numbers = arith.index_cast %steps : vector<4xindex> to vector<4xi32>
    %fives = arith.constant dense<5> : vector<4xi32>
    %twelves = arith.constant dense<12> : vector<4xi32>
    %bits = math.ctpop %twelves : vector<4xi32>
    %leading = math.ctlz %twelves : vector<4xi32>
    %trailing = "llvm.intr.cttz"(%twelves) <{is_zero_poison = false}> : (vector<4xi32>) -> vector<4xi32>
    %less = arith.subi %numbers, %fives : vector<4xi32>
    %distance = math.absi %less : vector<4xi32>
    %most = llvm.intr.smax(%distance, %leading) : (vector<4xi32>, vector<4xi32>) -> vector<4xi32>
    %a = arith.select %nan, %bits, %distance : vector<4xi1>, vector<4xi32>
    %b = arith.select %inf, %most, %a : vector<4xi1>, vector<4xi32>
    %thirds = arith.constant dense<3> : vector<4xi32>
    %third = arith.divsi %b, %thirds : vector<4xi32>
    %c = arith.select %finite, %third, %b : vector<4xi1>, vector<4xi32>
    %d = arith.addi %c, %trailing : vector<4xi32>
    %e = arith.sitofp %d : vector<4xi32> to vector<4xf32>
    %f = vector.fma %e, %e, %e : vector<4xf32>
    llvm.store %f, %out : vector<4xf32>, !llvm.ptr<1>
  )",
                        {0, NAN, -INFINITY, 1, 0, 0, 0, 0}, output);
  ASSERT_FALSE(fault) << *fault;
  // 5/3 + 2, two bits + 2, 28 leading zeros + 2, 2/3 + 2; each times itself and itself added.
  EXPECT_EQ(output, (std::array<float, 8>{12, 20, 930, 6, 0, 0, 0, 0}));
}

TEST(SimulatedOps, VectorsAreTakenApartAndPutTogether) {
  std::array<float, 8> output;
  auto fault = runAlone(R"(
    %x = llvm.load %in {alignment = 16 : i64} : !llvm.ptr<1> -> vector<4xf32>
    %matrix = vector.shape_cast %x : vector<4xf32> to vector<2x2xf32>
    %a:4 = vector.to_elements %matrix : vector<2x2xf32>
    %turned = vector.from_elements %a#0, %a#2, %a#1, %a#3 : vector<2x2xf32>
    %row = vector.extract %turned[1] : vector<2xf32> from vector<2x2xf32>
    %two = arith.constant 2.0 : f32
    %twos = vector.broadcast %two : f32 to vector<2xf32>
    %scaled = arith.mulf %row, %twos : vector<2xf32>
    %sum = vector.reduction <add>, %scaled : vector<2xf32> into f32
    %high = vector.extract_strided_slice %x {offsets = [2], sizes = [2], strides = [1]} : vector<4xf32> to vector<2xf32>
    %mixed = vector.shuffle %high, %scaled [3, 0, 1, 2] : vector<2xf32>, vector<2xf32>
    %whole = vector.insert %sum, %mixed [2] : f32 into vector<4xf32>
    %short = arith.truncf %two : f32 to bf16
    %long = arith.extf %short : bf16 to f32
    %undefined = llvm.mlir.undef : f32
    %zero = llvm.mlir.zero : f32
    %most = arith.maximumf %long, %zero : f32
    %generic = llvm.addrspacecast %out : !llvm.ptr<1> to !llvm.ptr
    %number = llvm.ptrtoint %generic : !llvm.ptr to i64
    %back = llvm.inttoptr %number : i64 to !llvm.ptr
    %last = llvm.getelementptr inbounds %back[4] : (!llvm.ptr) -> !llvm.ptr, f32
    llvm.store %whole, %out : vector<4xf32>, !llvm.ptr<1>
    llvm.store %most, %last : f32, !llvm.ptr
  )",
                        {1, 2, 3, 4, 5, 6, 7, 8}, output);
  ASSERT_FALSE(fault) << *fault;
  // Second row of the transpose is (2, 4), twice it (4, 8), its sum 12.
  EXPECT_EQ(output, (std::array<float, 8>{8, 3, 12, 4, 2, 0, 0, 0}));
}

TEST(SimulatedOps, DivisionThatNoProcessorSurvives) {
  const std::string body = R"(
    %a = llvm.load %in : !llvm.ptr<1> -> i32
    %q = llvm.getelementptr %in[1] : (!llvm.ptr<1>) -> !llvm.ptr<1>, i32
    %b = llvm.load %q : !llvm.ptr<1> -> i32
    %c = arith.divsi %a, %b : i32
    llvm.store %c, %out : i32, !llvm.ptr<1>)";
  auto divide = [&](int32_t a, int32_t b, int32_t &result) {
    std::array<float, 8> input = {}, output;
    std::memcpy(&input[0], &a, 4);
    std::memcpy(&input[1], &b, 4);
    auto fault = runAlone(body, input, output);
    std::memcpy(&result, &output[0], 4);
    return fault;
  };
  int32_t result = 0;
  EXPECT_FALSE(divide(-7, 2, result));
  EXPECT_EQ(result, -3);
  EXPECT_FALSE(divide(7, -1, result));
  EXPECT_EQ(result, -7);
  EXPECT_FAULT(divide(7, 0, result), "integer division: thread (0, 0, 0) of block (0, 0, 0) divides by zero");
  EXPECT_FAULT(divide(INT32_MIN, -1, result), "or overflows, in `%");
}

//===----------------------------------------------------------------------===//
// Refusals
//===----------------------------------------------------------------------===//

static void expectRefused(const std::string &text, const std::string &part, const std::string &name = "") {
  std::string error;
  EXPECT_FALSE(compile(text, error, name)) << text;
  EXPECT_NE(error.find(part), std::string::npos) << error;
}

TEST(SimulatedOps, RefusesWhatItDoesNotKnow) {
  expectRefused(kernelText("", "llvm.call @f() : () -> ()", "llvm.func @f()"),
                "the simulator does not run `llvm.call` (kernel.mlir:4:1)");
  expectRefused(kernelText("%x: f32", "%y = gpu.all_reduce add %x uniform {} : (f32) -> f32"), "`gpu.all_reduce`");
  expectRefused(kernelText("%x: i8", ""), "parameter 0 is of type 'i8'");
  expectRefused(kernelText("%p: !llvm.ptr<5>", ""), "address spaces 0, 1 and 3, but met '!llvm.ptr<5>'");
  expectRefused(
      kernelText("%p: !llvm.ptr<1>", "%x = llvm.load %p atomic monotonic {alignment = 4 : i64} : !llvm.ptr<1> -> f32"),
      "not atomically, but met `%");
  expectRefused(kernelText("", "", "llvm.mlir.global internal @g() : !llvm.array<4 x f32>"),
                "arrays of numbers in address space 3, but met @g");
  expectRefused(with(kernelText("", ""), " kernel ", " workgroup(%w: memref<4xf32, 3>) kernel "), "has attributions");
  expectRefused("gpu.module @m {}", "expected one kernel in gpu.module @m, but found 0");
  expectRefused(kernelText("", ""), "expected a kernel @other in gpu.module @m", "other");
}

TEST(SimulatedOps, RefusesWrongLaunches) {
  auto kernel =
      compileOrFail(kernelText("%n: index, %s: f32", "", "", "attributes {known_block_size = array<i32: 64, 1, 1>}"));
  ASSERT_TRUE(kernel);
  SimLaunch good;
  good.block = {64, 1, 1};
  good.arguments = {SimArgument(int64_t(1)), 1.0f};
  auto fault = kernel->launch(good);
  EXPECT_FALSE(fault) << *fault;

  auto changed = [&](auto change) {
    SimLaunch launch = good;
    change(launch);
    return kernel->launch(launch);
  };
  EXPECT_FAULT(changed([](SimLaunch &l) { l.block[0] = 32; }), "compiled for blocks of (64, 1, 1) threads");
  EXPECT_FAULT(changed([](SimLaunch &l) { l.block = {64, 32, 1}; }), "a block has at most 1024 threads, but 2048");
  EXPECT_FAULT(changed([](SimLaunch &l) { l.block[2] = 65; }), "block size in z must be from 1 to 64, but is 65");
  EXPECT_FAULT(changed([](SimLaunch &l) { l.grid[1] = 65536; }), "grid size in y must be from 1 to 65535");
  EXPECT_FAULT(changed([](SimLaunch &l) { l.grid[0] = 0; }), "grid size in x must be from 1 to");
  EXPECT_FAULT(changed([](SimLaunch &l) { l.arguments.pop_back(); }), "takes 2 arguments, but got 1");
  EXPECT_FAULT(changed([](SimLaunch &l) { l.arguments[1] = 1.0; }),
               "argument 1 of kernel @k must be of type f32, but is of type f64");
  char bytes[8];
  EXPECT_FAULT(changed([&](SimLaunch &l) { l.buffers = {{bytes, 8, false}, {bytes + 4, 4, true}}; }),
               "buffers 0 and 1 overlap");
  EXPECT_FAULT(changed([](SimLaunch &l) { l.buffers = {{nullptr, 8, false}}; }), "buffer 0 has no memory for 8 bytes");
}
