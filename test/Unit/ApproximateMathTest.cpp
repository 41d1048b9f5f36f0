//===- ApproximateMathTest.cpp - Accuracy of the inline functions -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles loops around single `math` ops as the pass rewrites them, for this
// machine and with LLVM's optimizations, and compares what they compute with the
// C library in a wider type. An error of one ulp is the distance of two
// neighbouring numbers at the true value, down to denormal ones.
//
// The exhaustive sweeps over all 2^32 numbers take minutes and are disabled:
//   --gtest_also_run_disabled_tests --gtest_filter='*Exhaustive*'
//
//===----------------------------------------------------------------------===//

#include "keops/Lowering/ApproximateMath.h"

#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Host.h"

#include "gtest/gtest.h"

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>

using namespace mlir;

namespace {

/// The widest error that the pass promises.
constexpr double bound = 2.0;

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

/// One op on vectors of `lanes` numbers, or on scalars where `lanes` is 0.
template <typename T>
class CompiledOp {
public:
  /// `op` is the text between the result and the operands, as in "math.exp", and
  /// `attributes` what comes after the operands.
  CompiledOp(const std::string &op, int lanes, int operands = 1, const std::string &attributes = "",
             bool hasScalef = false)
      : step(lanes ? lanes : 1) {
    std::string element = sizeof(T) == 4 ? "f32" : "f64";
    std::string type = lanes ? "vector<" + std::to_string(lanes) + "x" + element + ">" : element;
    std::string second = operands == 2 ? ", %b" : "";
    compile(R"(
func.func @loop(%in: !llvm.ptr, %in2: !llvm.ptr, %out: !llvm.ptr, %n: i64) {
  %zero = arith.constant 0 : i64
  %step = arith.constant )" +
                std::to_string(step) + R"( : i64
  scf.for %i = %zero to %n step %step : i64 {
    %pa = llvm.getelementptr %in[%i] : (!llvm.ptr, i64) -> !llvm.ptr, )" +
                element + R"(
    %pb = llvm.getelementptr %in2[%i] : (!llvm.ptr, i64) -> !llvm.ptr, )" +
                element + R"(
    %po = llvm.getelementptr %out[%i] : (!llvm.ptr, i64) -> !llvm.ptr, )" +
                element + R"(
    %a = llvm.load %pa {alignment = 4 : i64} : !llvm.ptr -> )" +
                type + R"(
    %b = llvm.load %pb {alignment = 4 : i64} : !llvm.ptr -> )" +
                type + R"(
    %r = )" + op +
                " %a" + second + " " + attributes + " : " + type + R"(
    llvm.store %r, %po {alignment = 4 : i64} : )" +
                type + R"(, !llvm.ptr
  }
  return
})",
            hasScalef);
  }

  std::vector<T> operator()(std::vector<T> in, std::vector<T> in2 = {}) const {
    size_t size = in.size();
    in.resize((size + step - 1) / step * step, T(1));
    in2.resize(in.size(), T(1));
    std::vector<T> out(in.size());
    function(in.data(), in2.data(), out.data(), static_cast<int64_t>(in.size()));
    out.resize(size);
    return out;
  }

private:
  void compile(const std::string &text, bool hasScalef) {
    DialectRegistry registry;
    registry.insert<arith::ArithDialect, func::FuncDialect, LLVM::LLVMDialect, math::MathDialect, scf::SCFDialect,
                    ub::UBDialect, vector::VectorDialect>();
    registerBuiltinDialectTranslation(registry);
    registerLLVMDialectTranslation(registry);
    MLIRContext context(registry, MLIRContext::Threading::DISABLED);
    context.loadAllAvailableDialects();
    OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, &context);
    ASSERT_TRUE(module) << text;
    ASSERT_TRUE(succeeded(keops::approximateMath(*module, {hasScalef})));
    PassManager passes(&context);
    passes.addPass(createSCFToControlFlowPass());
    passes.addPass(createConvertVectorToLLVMPass());
    passes.addPass(createConvertMathToLLVMPass());
    passes.addPass(createArithToLLVMConversionPass());
    passes.addPass(createUBToLLVMConversionPass());
    passes.addPass(createConvertControlFlowToLLVMPass());
    passes.addPass(createConvertFuncToLLVMPass());
    passes.addPass(createReconcileUnrealizedCastsPass());
    ASSERT_TRUE(succeeded(passes.run(*module)));

    static bool initialized = [] {
      llvm::InitializeNativeTarget();
      llvm::InitializeNativeTargetAsmPrinter();
      return true;
    }();
    ASSERT_TRUE(initialized);
    auto host = llvm::cantFail(llvm::orc::JITTargetMachineBuilder::detectHost());
    host.setCodeGenOptLevel(llvm::CodeGenOptLevel::Aggressive);
    auto machine = llvm::cantFail(host.createTargetMachine());
    auto llvmContext = std::make_unique<llvm::LLVMContext>();
    std::unique_ptr<llvm::Module> llvmModule = translateModuleToLLVMIR(*module, *llvmContext);
    ASSERT_TRUE(llvmModule);
    llvmModule->setDataLayout(machine->createDataLayout());
    llvmModule->setTargetTriple(machine->getTargetTriple());
    for (llvm::Function &function : *llvmModule) {
      function.addFnAttr("target-cpu", machine->getTargetCPU());
      function.addFnAttr("target-features", machine->getTargetFeatureString());
    }
    optimize(*llvmModule, *machine);
    jit = llvm::cantFail(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(host)).create());
    llvm::cantFail(jit->addIRModule(llvm::orc::ThreadSafeModule(std::move(llvmModule), std::move(llvmContext))));
    function = llvm::cantFail(jit->lookup("loop")).toPtr<Function>();
  }

  static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager components;
    llvm::ModuleAnalysisManager modules;
    llvm::PassBuilder passes(&machine);
    passes.registerModuleAnalyses(modules);
    passes.registerCGSCCAnalyses(components);
    passes.registerFunctionAnalyses(functions);
    passes.registerLoopAnalyses(loops);
    passes.crossRegisterProxies(loops, functions, components, modules);
    passes.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2).run(module, modules);
  }

  using Function = void (*)(const T *, const T *, T *, int64_t);
  int64_t step;
  std::unique_ptr<llvm::orc::LLJIT> jit;
  Function function = nullptr;
};

std::string neverPositive() { return "{" + keops::kNeverPositiveAttr.str() + "}"; }

bool hostHasScalef() {
  auto features = llvm::sys::getHostCPUFeatures();
  return features.lookup("avx512f") && features.lookup("avx512dq") && features.lookup("avx512vl");
}

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

template <typename T>
struct Wide;
template <>
struct Wide<float> {
  using type = double;
  using Bits = uint32_t;
};
template <>
struct Wide<double> {
  using type = long double;
  using Bits = uint64_t;
};
template <typename T>
using WideT = typename Wide<T>::type;
template <typename T>
using BitsT = typename Wide<T>::Bits;

template <typename T>
T fromBits(BitsT<T> bits) {
  T value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

template <typename T>
BitsT<T> toBits(T value) {
  BitsT<T> bits;
  std::memcpy(&bits, &value, sizeof value);
  return bits;
}

/// Distance of `got` from `want` in units of the last place of `want`; infinite
/// where one of them is special and the other is not the same.
template <typename T>
double errorInUlps(T got, WideT<T> want) {
  using Limits = std::numeric_limits<T>;
  constexpr double wrong = std::numeric_limits<double>::infinity();
  if (std::isnan(want))
    return std::isnan(got) ? 0 : wrong;
  if (std::isnan(got))
    return wrong;
  if (std::isinf(want))
    return got == want ? 0 : wrong;
  if (want == 0)
    return got == 0 && std::signbit(got) == std::signbit(want) ? 0 : wrong;
  // Past the largest number, the next one of the format would be this.
  WideT<T> top = std::ldexp(WideT<T>(1), Limits::max_exponent);
  WideT<T> value = std::isinf(got) ? std::copysign(top, WideT<T>(got)) : WideT<T>(got);
  want = std::fmin(std::fmax(want, -top), top);
  int exponent = std::max(std::ilogb(want), Limits::min_exponent - 1);
  return static_cast<double>(std::fabs(value - want) / std::ldexp(WideT<T>(1), exponent - (Limits::digits - 1)));
}

template <typename T>
using Reference = std::function<WideT<T>(WideT<T>)>;

/// Compares on `points` and gives the largest error, if larger than `largest`, and where it is.
template <typename T>
double largestError(const CompiledOp<T> &op, const Reference<T> &reference, const std::vector<T> &points, T &where,
                    double largest = 0) {
  std::vector<T> got = op(points);
  for (size_t i = 0; i < points.size(); ++i) {
    WideT<T> want = reference(points[i]);
    // Correctly rounded, the common case, is within a half; this keeps the sweeps short.
    if (largest >= 0.5 && toBits<T>(got[i]) == toBits<T>(static_cast<T>(want)))
      continue;
    double error = errorInUlps<T>(got[i], want);
    if (error <= largest)
      continue;
    largest = error;
    where = points[i];
  }
  return largest;
}

/// Numbers of every sign, exponent and kind, denser where functions are hard:
/// around 1, over the range of exp, next to multiples of π/2.
template <typename T>
std::vector<T> samplePoints() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> points = {T(0),
                           Limits::infinity(),
                           Limits::quiet_NaN(),
                           Limits::denorm_min(),
                           Limits::min(),
                           std::nextafter(Limits::min(), T(0)),
                           Limits::max(),
                           T(0.5),
                           T(1),
                           T(1.5),
                           T(2.5),
                           T(88.722839),
                           T(103.97208),
                           T(709.782712893384),
                           T(745.1332191019411),
                           T(0.49999997),
                           T(8388607.5)};
  std::mt19937_64 random(20240607);
  constexpr int mantissaBits = Limits::digits - 1;
  constexpr int exponents = sizeof(T) == 4 ? 255 : 2047;
  for (int exponent = 0; exponent < exponents; ++exponent)
    for (int i = 0; i < 100000 / exponents; ++i)
      points.push_back(fromBits<T>((BitsT<T>(exponent) << mantissaBits) +
                                   (static_cast<BitsT<T>>(random()) & ((BitsT<T>(1) << mantissaBits) - 1))));
  auto uniform = [&](double low, double high) {
    return static_cast<T>(std::uniform_real_distribution<double>(low, high)(random));
  };
  for (int i = 0; i < 50000; ++i) {
    points.push_back(uniform(0, 1100));
    points.push_back(uniform(0, 4));
    points.push_back(T(1) + uniform(-1, 1) * std::ldexp(T(1), -i % 20));
    points.push_back(static_cast<T>(std::floor(uniform(0, std::exp2(i % 32))) * 1.5707963267948966192L));
  }
  size_t positive = points.size();
  for (size_t i = 0; i < positive; ++i)
    points.push_back(-points[i]);
  return points;
}

template <typename T>
void expectAccurate(const std::string &name, const CompiledOp<T> &op, const Reference<T> &reference,
                    const std::vector<T> &points) {
  T where = 0;
  double error = largestError<T>(op, reference, points, where);
  EXPECT_LE(error, bound) << name << " at " << std::hexfloat << where;
  ::testing::Test::RecordProperty(name + "_ulp_percent", static_cast<int>(std::lround(std::min(error, 1e6) * 100)));
}

template <typename T>
struct Function {
  const char *op;
  WideT<T> (*reference)(WideT<T>);
};

template <typename T>
WideT<T> reciprocalRoot(WideT<T> x) {
  return WideT<T>(1) / std::sqrt(x);
}

template <typename T>
const std::vector<Function<T>> &functions() {
  using W = WideT<T>;
  static const std::vector<Function<T>> all = {
      {"math.exp", [](W x) { return std::exp(x); }},     {"math.exp2", [](W x) { return std::exp2(x); }},
      {"math.log", [](W x) { return std::log(x); }},     {"math.log2", [](W x) { return std::log2(x); }},
      {"math.log1p", [](W x) { return std::log1p(x); }}, {"math.sin", [](W x) { return std::sin(x); }},
      {"math.cos", [](W x) { return std::cos(x); }},     {"math.rsqrt", reciprocalRoot<T>},
      {"math.round", [](W x) { return std::round(x); }},
  };
  return all;
}

template <typename T>
constexpr int fullLanes = 32 / sizeof(T);

//===----------------------------------------------------------------------===//
// Tests
//===----------------------------------------------------------------------===//

template <typename T>
class ApproximateMath : public ::testing::Test {};
using Elements = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ApproximateMath, Elements);

TYPED_TEST(ApproximateMath, IsWithinTheBoundEverywhere) {
  using T = TypeParam;
  std::vector<T> points = samplePoints<T>();
  for (const Function<T> &function : functions<T>())
    expectAccurate<T>(function.op, CompiledOp<T>(function.op, fullLanes<T>), function.reference, points);
}

TYPED_TEST(ApproximateMath, IsWithinTheBoundForArgumentsNeverPositive) {
  using T = TypeParam;
  std::vector<T> points;
  for (T x : samplePoints<T>())
    if (!(x > 32)) // The documented slack.
      points.push_back(x);
  for (const Function<T> &function : functions<T>())
    if (std::string(function.op).find("exp") != std::string::npos)
      expectAccurate<T>(std::string(function.op) + " (x <= 0)",
                        CompiledOp<T>(function.op, fullLanes<T>, 1, neverPositive()), function.reference, points);
}

TYPED_TEST(ApproximateMath, IsWithinTheBoundWithScalef) {
  using T = TypeParam;
  if (!hostHasScalef())
    GTEST_SKIP() << "this machine has no AVX-512";
  std::vector<T> points = samplePoints<T>();
  for (const Function<T> &function : functions<T>())
    for (int lanes : {fullLanes<T> / 2, fullLanes<T>, 2 * fullLanes<T>, 3 * fullLanes<T>, 4 * fullLanes<T>})
      if (std::string(function.op).find("exp") != std::string::npos)
        expectAccurate<T>(std::string(function.op) + " (scalef)", CompiledOp<T>(function.op, lanes, 1, "", true),
                          function.reference, points);
}

TYPED_TEST(ApproximateMath, DoesNotDependOnTheNumberOfLanes) {
  using T = TypeParam;
  std::vector<T> points = samplePoints<T>();
  points.resize(20000);
  for (const Function<T> &function : functions<T>()) {
    std::vector<T> expected = CompiledOp<T>(function.op, fullLanes<T>)(points);
    for (int lanes : {0, 1, 5, 4 * fullLanes<T>}) {
      std::vector<T> got = CompiledOp<T>(function.op, lanes)(points);
      for (size_t i = 0; i < points.size(); ++i)
        ASSERT_TRUE(std::isnan(expected[i]) ? std::isnan(got[i]) : toBits<T>(expected[i]) == toBits<T>(got[i]))
            << function.op << " on " << lanes << " lanes at " << std::hexfloat << points[i];
    }
  }
}

TYPED_TEST(ApproximateMath, IsExactWhereUsersLook) {
  using T = TypeParam;
  auto at = [](const char *op, T x) { return CompiledOp<T>(op, fullLanes<T>)({x})[0]; };
  EXPECT_EQ(at("math.exp", T(0)), T(1));
  EXPECT_EQ(at("math.exp", T(-0.0)), T(1));
  EXPECT_EQ(at("math.log", T(1)), T(0));
  EXPECT_EQ(at("math.sin", T(0)), T(0));
  EXPECT_TRUE(std::signbit(at("math.sin", T(-0.0))));
  EXPECT_EQ(at("math.cos", T(0)), T(1));
  EXPECT_EQ(at("math.rsqrt", T(4)), T(0.5));
  CompiledOp<T> exp2("math.exp2", fullLanes<T>), log2("math.log2", fullLanes<T>);
  using Limits = std::numeric_limits<T>;
  for (int n = Limits::min_exponent - Limits::digits; n < Limits::max_exponent; ++n) {
    EXPECT_EQ(exp2({T(n)})[0], std::ldexp(T(1), n)) << n;
    EXPECT_EQ(log2({std::ldexp(T(1), n)})[0], T(n)) << n;
  }
}

TYPED_TEST(ApproximateMath, StaysWithinOne) {
  using T = TypeParam;
  std::vector<T> points = samplePoints<T>();
  for (const char *op : {"math.sin", "math.cos"})
    for (T value : CompiledOp<T>(op, fullLanes<T>)(points))
      ASSERT_FALSE(std::fabs(value) > 1) << op;
}

TYPED_TEST(ApproximateMath, CallsTheLibraryLaneByLane) {
  using T = TypeParam;
  std::vector<T> a = samplePoints<T>(), b = a;
  std::shuffle(b.begin(), b.end(), std::mt19937_64(7));
  a.resize(10000), b.resize(10000);
  std::vector<T> power = CompiledOp<T>("math.powf", 3, 2)(a, b), angle = CompiledOp<T>("math.atan2", 3, 2)(a, b);
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_LE(errorInUlps<T>(power[i], std::pow(WideT<T>(a[i]), WideT<T>(b[i]))), 1.0) << a[i] << " " << b[i];
    EXPECT_LE(errorInUlps<T>(angle[i], std::atan2(WideT<T>(a[i]), WideT<T>(b[i]))), 1.0) << a[i] << " " << b[i];
  }
}

//===----------------------------------------------------------------------===//
// All numbers of 32 bits
//===----------------------------------------------------------------------===//

void sweep(const std::string &name, const CompiledOp<float> &op, const Reference<float> &reference, bool onlyNegative) {
  constexpr uint64_t chunk = 1 << 20;
  double largest = 0;
  float where = 0;
  std::vector<float> points(chunk);
  for (uint64_t first = onlyNegative ? uint64_t(1) << 31 : 0; first < uint64_t(1) << 32; first += chunk) {
    for (uint64_t i = 0; i < chunk; ++i)
      points[i] = fromBits<float>(static_cast<uint32_t>(first + i));
    largest = largestError<float>(op, reference, points, where, largest);
  }
  std::printf("  %-24s largest error %.4f ulp at %a\n", name.c_str(), largest, where);
  std::fflush(stdout);
  EXPECT_LE(largest, bound) << name << " at " << std::hexfloat << where;
}

class ExhaustiveMath : public ::testing::TestWithParam<Function<float>> {};

TEST_P(ExhaustiveMath, DISABLED_IsWithinTheBoundForAllNumbers) {
  const Function<float> &function = GetParam();
  std::string name = function.op;
  sweep(name, CompiledOp<float>(name, 8), function.reference, /*onlyNegative=*/false);
  if (name.find("exp") == std::string::npos)
    return;
  sweep(name + " (x <= 0)", CompiledOp<float>(name, 8, 1, neverPositive()), function.reference,
        /*onlyNegative=*/true);
  if (hostHasScalef())
    sweep(name + " (scalef)", CompiledOp<float>(name, 16, 1, "", true), function.reference, /*onlyNegative=*/false);
}

INSTANTIATE_TEST_SUITE_P(Functions, ExhaustiveMath, ::testing::ValuesIn(functions<float>()),
                         [](const auto &info) { return std::string(info.param.op).substr(5); });

} // namespace
