//===- BuilderTest.cpp - What names mean ---------------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every operation that formula text may call is built and interpreted against
// numbers known without it; an operation that is missing here fails the test.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Interpreter.h"
#include "keops/Frontend/FormulaBuilder.h"
#include "keops/Frontend/FormulaParser.h"
#include "keops/Frontend/FormulaPrinter.h"
#include "keops/Transforms/Passes.h"

#include "mlir/Pass/PassManager.h"

#include "gtest/gtest.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

using namespace keops;
using namespace keops::frontend;

namespace {

using Values = std::vector<double>;

constexpr double notANumber = std::numeric_limits<double>::quiet_NaN();
constexpr double inf = std::numeric_limits<double>::infinity();

struct Input {
  const char *alias;
  Values values;
};

/// What formulas are about: vectors, scalars, matrices, special numbers.
const std::vector<Input> &inputs() {
  static const std::vector<Input> all = {
      {"x=Vi(3)", {1, -2, 3}},
      {"y=Vi(3)", {0.5, 4, -1}},
      {"s=Vi(1)", {2}},
      {"t=Pm(1)", {0.25}},
      {"u=Vi(3)", {-0.5, 0, 0.5}},
      {"m=Vi(9)", {1, 2, 3, 4, 5, 6, 7, 8, 9}},
      {"r=Vi(6)", {1, 2, 3, 4, 5, 6}},
      {"z=Vi(3)", {notANumber, 0, inf}},
      {"h=Vi(3)", {2.5, -2.5, 1.25}},
      {"p=Vi(3)", {4, 9, 0}},
      {"e=Vi(3)", {2, 2, -1}},
  };
  return all;
}

class BuilderTest : public testing::Test {
protected:
  mlir::OwningOpRef<mlir::ModuleOp> build(const std::string &text, const std::vector<std::string> &aliases,
                                          frontend::Diagnostic &error) {
    std::optional<Program> program = parseProgram(text, aliases, error);
    if (!program)
      return {};
    return buildModule(context, *program, mlir::Float64Type::get(&context), error);
  }

  static std::vector<std::string> allAliases() {
    std::vector<std::string> aliases;
    for (const Input &input : inputs())
      aliases.push_back(input.alias);
    return aliases;
  }

  /// The value of a formula of `inputs`.
  Values evaluate(const std::string &text) {
    frontend::Diagnostic error;
    mlir::OwningOpRef<mlir::ModuleOp> module = build(text, allAliases(), error);
    EXPECT_TRUE(module) << error.render();
    if (!module)
      return {};
    mlir::PassManager manager(&context);
    manager.addNestedPass<FormulaFuncOp>(createKeopsExpandDerivatives());
    EXPECT_TRUE(mlir::succeeded(manager.run(*module))) << text;
    InterpreterInputs data;
    data.read = [](unsigned argument, int64_t, int64_t d) { return inputs()[argument].values[d]; };
    return interpret(*module->getOps<FormulaFuncOp>().begin(), data, 0)[0].values;
  }

  std::string print(const std::string &text, const std::vector<std::string> &aliases) {
    frontend::Diagnostic error;
    mlir::OwningOpRef<mlir::ModuleOp> module = build(text, aliases, error);
    if (!module)
      return error.render();
    std::string out;
    llvm::raw_string_ostream stream(out);
    module->print(stream);
    return out;
  }

  std::string message(const std::string &text) {
    frontend::Diagnostic error;
    EXPECT_FALSE(build(text, allAliases(), error)) << text;
    return error.message;
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
};

struct Known {
  const char *text;
  Values expected;
};

} // namespace

static const std::vector<Known> &knownValues() {
  auto rsqrt = [](double v) { return v == 0 ? 0 : 1 / std::sqrt(v); };
  // With X = x and Y = y: X − Y = (0.5, −6, 4), r² = 52.25; kernels use C = t = 0.25 and B = e.
  const double r2 = 52.25, k = std::exp(-0.25 * r2), along = 2 * 0.5 - 2 * 6 - 4;
  auto field = [&](double isotropic, double sign, double b, double d) {
    return k * (isotropic * b + sign * along * d);
  };
  auto divergenceFree = [&](double b, double d) { return field(2 / 0.5 - r2, 1, b, d); };
  auto curlFree = [&](double b, double d) { return field(1 / 0.5, -1, b, d); };
  auto mixed = [&](double b, double d) { return 2 * divergenceFree(b, d) - curlFree(b, d); };
  static const std::vector<Known> all = {
      {"Minus(x)", {-1, 2, -3}},
      {"Abs(x)", {1, 2, 3}},
      {"Abs(z)", {notANumber, 0, inf}},
      {"Sign(x)", {1, -1, 1}},
      {"Sign(z)", {notANumber, 0, 1}},
      {"Step(u)", {0, 1, 1}},
      {"Step(z)", {notANumber, 1, 1}},
      {"ReLU(x)", {1, 0, 3}},
      {"ReLU(z)", {notANumber, 0, inf}},
      {"Floor(h)", {2, -3, 1}},
      {"Round(h,0)", {3, -3, 1}},
      {"Round(h,1)", {2.5, -2.5, 1.3}},
      {"Round(100*h,-2)", {300, -300, 100}},
      {"Exp(x)", {std::exp(1), std::exp(-2), std::exp(3)}},
      {"Log(p)", {std::log(4), std::log(9), -inf}},
      {"Log(-p)", {notANumber, notANumber, -inf}},
      {"XLogX(p)", {4 * std::log(4), 9 * std::log(9), 0}},
      {"XLogX(-s)", {notANumber}},
      {"Sin(x)", {std::sin(1), std::sin(-2), std::sin(3)}},
      {"Cos(x)", {std::cos(1), std::cos(-2), std::cos(3)}},
      {"SinXDivX(u)", {std::sin(0.5) / 0.5, 1, std::sin(0.5) / 0.5}},
      {"Asin(u)", {std::asin(-0.5), 0, std::asin(0.5)}},
      {"Acos(u)", {std::acos(-0.5), std::acos(0), std::acos(0.5)}},
      {"Atan(x)", {std::atan(1), std::atan(-2), std::atan(3)}},
      {"Tanh(x)", {std::tanh(1), std::tanh(-2), std::tanh(3)}},
      {"Erf(x)", {std::erf(1), std::erf(-2), std::erf(3)}},
      {"Sigmoid(x)", {1 / (1 + std::exp(-1)), 1 / (1 + std::exp(2)), 1 / (1 + std::exp(-3))}},
      {"Softplus(30*x)", {30 + std::log1p(std::exp(-30)), std::log1p(std::exp(-60)), 90}},
      {"Softplus(x)", {std::log1p(std::exp(1)), std::log1p(std::exp(-2)), std::log1p(std::exp(3))}},
      {"Inv(x)", {1, -0.5, 1.0 / 3}},
      {"Square(x)", {1, 4, 9}},
      {"Pow(x,3)", {1, -8, 27}},
      {"Pow(x,-1)", {1, -0.5, 1.0 / 3}},
      {"Pow(x,-2)", {1, 0.25, 1.0 / 9}},
      {"Pow(x,1)", {1, -2, 3}},
      {"Pow(x,2)", {1, 4, 9}},
      {"Pow(z,0)", {1, 1, 1}},
      {"Sqrt(p)", {2, 3, 0}},
      {"Rsqrt(p)", {0.5, 1.0 / 3, 0}},
      {"ClampInt(x,-1,2)", {1, -1, 2}},
      {"ClampInt(x,2,-1)", {2, 2, -1}},
      {"DiffClampInt(x,-2,2)", {1, 1, 0}},
      {"DiffClampInt(z,-2,2)", {notANumber, 1, 0}},
      {"Add(x,y)", {1.5, 2, 2}},
      {"x+s", {3, 0, 5}},
      {"Subtract(x,y)", {0.5, -6, 4}},
      {"Mult(x,y)", {0.5, -8, -3}},
      {"Divide(x,y)", {2, -0.5, -3}},
      {"Powf(p,u)", {0.5, 1, 0}},
      {"Powf(x,s)", {1, 4, 9}},
      {"Atan2(x,y)", {std::atan2(1, 0.5), std::atan2(-2, 4), std::atan2(3, -1)}},
      {"Equal(x,e-1)", {1, 0, 0}},
      {"NotEqual(z,z)", {1, 0, 0}},
      {"LessThan(x,y)", {0, 1, 0}},
      {"LessOrEqual(u,0)", {1, 1, 0}},
      {"x>y", {1, 0, 1}},
      {"Mod(x,2,0)", {1, 0, 1}},
      {"Mod(x,-2)", {-1, 0, -1}},
      {"Mod(10*x,4,1)", {2, 4, 2}},
      {"x%s", {1, 0, 1}},
      {"x//s", {0, -1, 1}},
      {"Clamp(x,u,s)", {1, 0, 2}},
      {"IfElse(u,x,y)", {0.5, -2, 3}},
      {"IfElse(z,x,y)", {notANumber, -2, 3}},
      {"Sum(x)", {2}},
      {"Sum(s)", {2}},
      {"SumT(s,3)", {2, 2, 2}},
      {"Scalprod(x,y)", {-10.5}},
      {"s|x", {4}},
      {"x|s", {4}},
      {"SqNorm2(x)", {14}},
      {"Norm2(x)", {std::sqrt(14)}},
      {"Normalize(x)", {1 / std::sqrt(14), -2 / std::sqrt(14), 3 / std::sqrt(14)}},
      {"Normalize(0*x)", {0, 0, 0}},
      {"SqDist(x,y)", {r2}},
      {"SqDist(x,s)", {18}},
      {"SqNormIso(s,x)", {28}},
      {"SqNormDiag(y,x)", {0.5 + 16 - 9}},
      {"SymSqNorm(m,x)", {1 - 4 + 9 - 2 * (4 - 10 + 18) + 3 * (7 - 16 + 27)}},
      {"WeightedSqNorm(s,x)", {28}},
      {"WeightedSqNorm(y,x)", {7.5}},
      {"WeightedSqNorm(m,x)", {36}},
      {"WeightedSqDist(s,x,y)", {2 * r2}},
      {"Min(x)", {-2}},
      {"Max(x)", {3}},
      {"ArgMin(x)", {1}},
      {"ArgMax(e)", {0}},
      {"Elem(x,2)", {3}},
      {"x[-1]", {3}},
      {"ElemT(s,3,1)", {0, 2, 0}},
      {"Extract(r,1,2)", {2, 3}},
      {"ExtractT(x,1,5)", {0, 1, -2, 3, 0}},
      {"Slice(r,-2)", {5, 6}},
      {"r[1:-3]", {2, 3}},
      {"r[:2]", {1, 2}},
      {"Concat(x,s)", {1, -2, 3, 2}},
      {"OneHot(s,4)", {0, 0, 1, 0}},
      {"OneHot(s,2)", {0, 0}},
      {"MatVecMult(m,x)", {6, 12, 18}},
      {"MatVecMult(r,x)", {6, 12}},
      {"VecMatMult(x,m)", {14, 16, 18}},
      {"VecMatMult(x,r)", {1 - 6 + 15, 2 - 8 + 18}},
      {"TensorProd(s,x)", {2, -4, 6}},
      {"TensorProd(Extract(x,0,2),u)", {-0.5, 0, 0.5, 1, 0, -1}},
      {"TensorDot(r,x,[2,3],[3],[1],[0])", {6, 12}},
      {"TensorDot(r,x,[2,3],[3],[-1],[-1])", {6, 12}},
      {"TensorDot(Extract(x,0,2),u,[2],[3],[],[],[1,0])", {-0.5, 1, 0, 0, 0.5, -1}},
      // (1 2; 3 4) ⊗ (5 6; 7 8), with the digits taken from m.
      {"Kron(Extract(m,0,4),Extract(m,4,4),[2,2],[2,2])", {5, 6, 10, 12, 7, 8, 14, 16, 15, 18, 20, 24, 21, 24, 28, 32}},
      {"IntCst(-7)", {-7}},
      {"RatCst(6,4)", {1.5}},
      {"IntInv(4)", {0.25}},
      {"Zero(2)", {0, 0}},
      {"Grad(Square(x),x,e)", {4, -8, -6}},
      {"Grad(x|y,x,s)", {1, 8, -2}},
      {"Grad(Exp(y),x,e)", {0, 0, 0}},
      {"Grad(Grad(x**3,x,e),x,y)", {6, -96, 18}},
      {"Diff(x*y,x,e)", {1, 8, 1}},
      {"Diff(x*y,(x,y),(e,x))", {2, 12, 10}},
      {"Diff(x*y,[x],[e])", {1, 8, 1}},
      {"Grad_WithSavedForward(Square(x),x,e,s)", {4, -8, -6}},
      {"Diff_WithSavedForward(x*y,x,e,s)", {1, 8, 1}},
      {"GradMatrix(MatVecMult(m,x),x)", {1, 2, 3, 4, 5, 6, 7, 8, 9}},
      {"GradMatrix(SqNorm2(x),x)", {2, -4, 6}},
      // More rows than columns.
      {"GradMatrix(Concat(MatVecMult(m,x),s*x),x)", {1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 0, 0, 0, 2, 0, 0, 0, 2}},
      {"Divergence(x**3,x)", {42}},
      {"Divergence(MatVecMult(m,x),x)", {15}},
      {"Laplacian(Sum(x**3),x)", {12}},
      {"Laplacian(Sum(x),x)", {0}},
      {"Laplacian(SqNorm2(x)**2,x)", {20 * 14}},
      {"TraceOperator(MatVecMult(m,x),x)", {15}},
      {"TraceOperator(MatVecMult(m,x),x,e)", {3}},
      {"TraceOperator(MatVecMult(m,x),x,s)", {30}},
      {"TraceOperator(x|y,x,e)", {10}},
      {"TraceOperator(Grad(x**3,x,e),e)", {42}},
      {"TraceOperator(y*(x|y)-x/2+IfElse(u,x,2*x),x)", {17.25 - 1.5 + 4}},
      {"AdjointOperator(MatVecMult(m,x),x,e)", {3, 6, 9}},
      {"SumLinOperator(MatVecMult(m,x),x)", {45}},
      {"SumLinOperator(MatVecMult(m,x),x,e)", {18}},
      {"SumLinOperator(MatVecMult(m,x),x,e,y)", {16.5}},
      {"Factorize(x+y,x)", {1.5, 2, 2}},
      {"AutoFactorize(x+y)", {1.5, 2, 2}},
      {"Scal(s,x)", {2, -4, 6}},
      {"ScalOrMult(x,y)", {0.5, -8, -3}},
      {"GaussKernel(t,x,y,e)", {2 * k, 2 * k, -k}},
      {"LaplaceKernel(t,x,y,s)", {2 * std::exp(-0.25 * std::sqrt(r2))}},
      {"CauchyKernel(t,x,y,s)", {2 / (1 + 0.25 * r2)}},
      {"InverseMultiquadricKernel(t,x,y,s)", {2 / std::sqrt(4 + r2)}},
      {"SumGaussKernel(Concat(t,s),Concat(s,t),x,y,s)", {2 * (2 * k + 0.25 * std::exp(-2 * r2))}},
      {"DivFreeGaussKernel(t,x,y,e)", {divergenceFree(2, 0.5), divergenceFree(2, -6), divergenceFree(-1, 4)}},
      {"CurlFreeGaussKernel(t,x,y,e)", {curlFree(2, 0.5), curlFree(2, -6), curlFree(-1, 4)}},
      {"TRIGaussKernel(s,t,x,y,e)", {mixed(2, 0.5), mixed(2, -6), mixed(-1, 4)}},
      {"Exp2(x)", {2, 0.25, 8}},
      {"Log2(4*p)", {4, std::log2(36), -inf}},
      {"Expm1(x)", {std::expm1(1), std::expm1(-2), std::expm1(3)}},
      {"Log1p(p)", {std::log1p(4), std::log1p(9), 0}},
      {"Sinh(x)", {std::sinh(1), std::sinh(-2), std::sinh(3)}},
      {"Cosh(x)", {std::cosh(1), std::cosh(-2), std::cosh(3)}},
      {"Tan(x)", {std::tan(1), std::tan(-2), std::tan(3)}},
      {"Lgamma(p)", {std::log(6), std::log(40320), inf}},
      {"Digamma(s*t)", {-1.9635100260214235}},
      {"Polygamma(s*t,1)", {M_PI * M_PI / 2}},
      {"And(x<y,z)", {0, 0, 0}},
      {"And(x,z)", {1, 0, 1}},
      {"Or(x<y,z)", {1, 1, 1}},
      {"Or(0,z)", {1, 0, 1}},
      {"Not(z)", {0, 1, 0}},
      {"Index_i()", {0}},
      {"Index_j()", {0}},
      // r is 1+2i, 3+4i, 5+6i.
      {"Real2Complex(x)", {1, 0, -2, 0, 3, 0}},
      {"Imag2Complex(x)", {0, 1, 0, -2, 0, 3}},
      {"ComplexReal(r)", {1, 3, 5}},
      {"ComplexImag(r)", {2, 4, 6}},
      {"Conj(r)", {1, -2, 3, -4, 5, -6}},
      {"ComplexAdd(r,Conj(r))", {2, 0, 6, 0, 10, 0}},
      {"ComplexSubtract(r,Extract(r,0,2))", {0, 0, 2, 2, 4, 4}},
      {"ComplexMult(r,Extract(r,0,2))", {-3, 4, -5, 10, -7, 16}},
      {"ComplexScal(Extract(r,0,2),r)", {-3, 4, -5, 10, -7, 16}},
      {"ComplexDivide(Extract(r,2,4),Extract(r,0,2))", {2.2, -0.4, 3.4, -0.8}},
      {"ComplexRealScal(s,r)", {2, 4, 6, 8, 10, 12}},
      {"ComplexRealScal(r,s)", {2, 4, 6, 8, 10, 12}},
      {"ComplexSquareAbs(r)", {5, 25, 61}},
      {"ComplexAbs(Extract(r,2,2))", {5}},
      {"ComplexAngle(r)", {std::atan2(2, 1), std::atan2(4, 3), std::atan2(6, 5)}},
      {"ComplexExp(Extract(r,0,2))", {M_E * std::cos(2), M_E * std::sin(2)}},
      {"ComplexExp1j(s)", {std::cos(2), std::sin(2)}},
      {"ComplexSum(r)", {9, 12}},
      {"ComplexSumT(Extract(r,0,2),4)", {1, 2, 1, 2}},
      {"ComplexInv(Extract(r,0,2))", {0.2, -0.4}},
      {"ComplexSquare(r)", {-3, 4, -7, 24, -11, 60}},
      {"ComplexLog(Extract(r,2,2))", {std::log(5), std::atan2(4, 3)}},
      {"ComplexSqrt(Extract(r,2,2))", {2, 1}},
      {"ComplexSqrt(-Real2Complex(p))", {0, 2, 0, 3, 0, 0}},
      {"ComplexPow(r,3)", {-11, -2, -117, 44, -415, 234}},
      {"ComplexPow(Extract(r,2,2),-1)", {0.12, -0.16}},
      {"ComplexPow(Extract(r,2,2),0.5)", {2, 1}},
      // i^i
      {"ComplexPow(Imag2Complex(IntCst(1)),Imag2Complex(IntCst(1)))", {std::exp(-M_PI / 2), 0}},
      {"BSpline(r,s*1.75,1)", {0, 0.5, 0.5, 0}},
      {"SoftDTW_SqDist(x,s,s)", {18}},
      {"1/3*x", {1.0 / 3, -2.0 / 3, 1}},
      {"p**0.5", {2, 3, 0}},
      {"Rsqrt(p)*p**-0.5", {rsqrt(4) * rsqrt(4), rsqrt(9) * rsqrt(9), 0}},
  };
  return all;
}

TEST_F(BuilderTest, OperationsHaveTheirKnownValues) {
  for (const Known &known : knownValues()) {
    Values got = evaluate(known.text);
    ASSERT_EQ(got.size(), known.expected.size()) << known.text;
    for (size_t d = 0; d < got.size(); ++d) {
      double want = known.expected[d];
      if (std::isnan(want))
        EXPECT_TRUE(std::isnan(got[d])) << known.text << " component " << d << " is " << got[d];
      else if (std::isinf(want))
        EXPECT_EQ(got[d], want) << known.text << " component " << d;
      else
        EXPECT_NEAR(got[d], want, 1e-14 * (1 + std::fabs(want))) << known.text << " component " << d;
    }
  }
}

TEST_F(BuilderTest, EveryOperationHasAKnownValue) {
  std::vector<std::string> names = operationNames(context);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(names.size(), knownOperations().size());
  for (const char *name : {"Exp", "Add", "Concat", "SqDist"})
    EXPECT_TRUE(std::binary_search(names.begin(), names.end(), name)) << name;
  for (const std::string &name : names) {
    EXPECT_TRUE(knownOperations().count(name)) << name;
    bool tested = std::any_of(knownValues().begin(), knownValues().end(),
                              [&](const Known &known) { return llvm::StringRef(known.text).contains(name + "("); });
    EXPECT_TRUE(tested) << name;
  }
}

TEST_F(BuilderTest, OperationsReadBackFromTheirText) {
  for (const Known &known : knownValues()) {
    frontend::Diagnostic error;
    std::optional<Program> program = parseProgram(known.text, allAliases(), error);
    ASSERT_TRUE(program) << error.render();
    std::optional<std::string> text = printFormula(*program->root, program->arguments, error);
    ASSERT_TRUE(text) << error.render();
    std::optional<Program> again = parseProgram(*text, allAliases(), error);
    ASSERT_TRUE(again) << error.render();
    EXPECT_TRUE(structurallyEqual(*program->root, *again->root)) << known.text << " became " << *text;
  }
}

TEST_F(BuilderTest, AReductionBecomesOneFormula) {
  frontend::Diagnostic error;
  mlir::OwningOpRef<mlir::ModuleOp> module =
      build("Sum_Reduction(Exp(-Sum(x))*b, 0)", {"x=Vi(3)", "b=Vj(2)", "unused=Pm(4)"}, error);
  ASSERT_TRUE(module) << error.render();
  FormulaFuncOp formula = *module->getOps<FormulaFuncOp>().begin();
  EXPECT_EQ(formula.getSymName(), "formula");
  auto type = [&](int64_t dim, IndexSet indices) {
    return VecType::get(&context, dim, mlir::Float64Type::get(&context), indices);
  };
  EXPECT_EQ(llvm::to_vector(formula.getBody().getArgumentTypes()),
            (llvm::SmallVector<mlir::Type>{type(3, IndexSet::I), type(2, IndexSet::J), type(4, IndexSet::None)}));
  std::vector<std::string> names;
  for (mlir::Operation &op : formula.getBody().front())
    names.push_back(op.getName().stripDialect().str());
  EXPECT_EQ(names, (std::vector<std::string>{"fold", "neg", "exp", "mul", "reduce", "return"}));
  // What depends on i alone is typed so.
  ExpOp exponential = *formula.getOps<ExpOp>().begin();
  EXPECT_EQ(exponential.getType(), type(1, IndexSet::I));
  EXPECT_EQ((*formula.getOps<ReduceOp>().begin()).getOver(), ReducedIndex::J);
  // An op knows the piece of text it came from.
  auto place = exponential.getLoc()->findInstanceOf<mlir::FileLineColRange>();
  ASSERT_TRUE(place);
  EXPECT_EQ(place.getStartColumn(), 15u);
  EXPECT_EQ(place.getEndColumn(), 27u);
}

TEST_F(BuilderTest, ReductionsOverEitherIndexWithTheirResults) {
  const std::vector<std::string> aliases = {"x=Vi(1)", "y=Vj(1)", "w=Vj(2)"};
  const std::pair<const char *, const char *> results[] = {
      {"Sum_Reduction(x*y,1)", "!keops.vec<1xf64, j>"},
      {"LogSumExp_Reduction(x*y,0,w)", "!keops.vec<2xf64, i>"},
      {"Min_Reduction(x*w,0)", "!keops.vec<2xf64, i>"},
      {"Max_Reduction(x*w,0)", "!keops.vec<2xf64, i>"},
      {"ArgMin_Reduction(x*w,0)", "!keops.vec<2xi64, i>"},
      {"ArgMax_Reduction(x*w,0)", "!keops.vec<2xi64, i>"},
      {"MinArgMin_Reduction(x*w,0)", "(!keops.vec<2xf64, i>, !keops.vec<2xi64, i>)"},
      {"Max_ArgMax_Reduction(x*w,1)", "(!keops.vec<2xf64, j>, !keops.vec<2xi64, j>)"},
      {"KMin_Reduction(x*w,3,0)", "!keops.vec<6xf64, i>"},
      {"ArgKMin_Reduction(x*w,3,0)", "!keops.vec<6xi64, i>"},
      {"KMinArgKMin_Reduction(x*y,3,0)", "(!keops.vec<3xf64, i>, !keops.vec<3xi64, i>)"},
  };
  for (auto [text, types] : results)
    EXPECT_NE(print(text, aliases).find(std::string(") -> ") + types + " {"), std::string::npos)
        << print(text, aliases);
}

TEST_F(BuilderTest, SharedNodesBecomeOneValue) {
  // 2^60 terms as text, 60 additions as values.
  ExpressionRef node = makeVariable({0, 1, Category::I});
  for (int i = 0; i < 60; ++i)
    node = makeCall("Add", {node, node});
  frontend::Diagnostic error;
  std::optional<Program> program = makeProgram(node, {}, error);
  ASSERT_TRUE(program) << error.render();
  mlir::OwningOpRef<mlir::ModuleOp> module = buildModule(context, *program, mlir::Float32Type::get(&context), error);
  ASSERT_TRUE(module) << error.render();
  size_t additions = 0;
  module->walk([&](AddOp) { ++additions; });
  EXPECT_EQ(additions, 60u);
}

TEST_F(BuilderTest, DeepFormulasAreBuilt) {
  std::string text = "x";
  for (int i = 0; i < 20000; ++i)
    text += "+x";
  frontend::Diagnostic error;
  EXPECT_TRUE(build(text, {"x=Vi(1)"}, error)) << error.render();
}

TEST_F(BuilderTest, ErrorsNameDimensionsAndPlaces) {
  EXPECT_EQ(print("Exp(-SqDist(x,r))*s", {"x=Vi(3)", "r=Vi(6)", "s=Vi(1)"}),
            "SqDist: dimensions are not compatible: 3 and 6 (expected equal dimensions, or 1)\n"
            "  Exp(-SqDist(x,r))*s\n"
            "       ^~~~~~~~~~~");
  EXPECT_EQ(message("x+r"), "Add: dimensions are not compatible: 3 and 6 (expected equal dimensions, or 1)");
  EXPECT_EQ(message("x|r"), "Scalprod: dimensions are not compatible: 3 and 6 (expected equal dimensions, or 1)");
  EXPECT_EQ(message("x[3]"), "Elem takes component 3 of a vector of dimension 3");
  EXPECT_EQ(message("x[-4]"), "Elem takes component -4 of a vector of dimension 3");
  EXPECT_EQ(message("x[1:5]"), "Extract takes 4 components from component 1 of a vector of dimension 3");
  EXPECT_EQ(message("x[-2:1]"), "Slice takes components [-2:1] of a vector of dimension 3");
  EXPECT_EQ(message("x[3:]"), "Slice takes components [3:] of a vector of dimension 3");
  EXPECT_EQ(message("ElemT(x,3,1)"), "ElemT expects a formula of dimension 1, got dimension 3");
  EXPECT_EQ(message("ElemT(s,3,3)"), "ElemT puts 1 components at component 3 of a vector of dimension 3");
  EXPECT_EQ(message("ExtractT(x,1,3)"), "ExtractT puts 3 components at component 1 of a vector of dimension 3");
  EXPECT_EQ(message("SumT(x,4)"), "SumT expects an operand of dimension 1, got dimension 3");
  EXPECT_EQ(message("SumT(s,0)"), "SumT expects a dimension between 1 and 2147483647, got 0");
  EXPECT_EQ(message("OneHot(x,4)"), "OneHot expects an operand of dimension 1, got dimension 3");
  EXPECT_EQ(message("WeightedSqNorm(r,x)"),
            "WeightedSqNorm expects weights of dimension 1, 3 or 3x3 for a vector of dimension 3, got dimension 6");
  EXPECT_EQ(message("SymSqNorm(r,x)"), "SymSqNorm expects a matrix of dimension 9, got dimension 6");
  EXPECT_EQ(message("SqNormIso(x,x)"), "SqNormIso expects a weight of dimension 1, got dimension 3");
  EXPECT_EQ(message("MatVecMult(x,r)"), "MatVecMult expects a matrix whose dimension is a multiple of the vector's, "
                                        "got dimensions 3 and 6");
  EXPECT_EQ(message("TensorDot(r,x,[2,2],[3],[1],[0])"), "TensorDot expects a shape of 6 components, got [2,2]");
  EXPECT_EQ(message("TensorDot(r,x,[4503599627370496,4503599627370496],[3],[1],[0])"),
            "TensorDot expects a shape of 6 components, got [4503599627370496,4503599627370496]");
  EXPECT_EQ(message("TensorDot(r,x,[2,3],[3],[0],[0])"), "TensorDot contracts axes of different extents 2 and 3");
  EXPECT_EQ(message("TensorDot(r,x,[2,3],[3],[5],[0])").substr(0, 41), "TensorDot expects distinct contracted axe");
  EXPECT_EQ(message("TensorDot(r,x,[2,3],[3],[1],[0],[1])").substr(0, 35), "TensorDot expects a permutation of ");
  EXPECT_EQ(message("Kron(r,x,[2,3],[3])"), "Kron expects shapes of equal length, got lengths 2 and 1");
  EXPECT_EQ(message("RatCst(1,0)"), "RatCst has the denominator 0");
  EXPECT_EQ(message("x/0"), "Divide divides by the constant 0");
  EXPECT_EQ(message("Round(x,99)"), "Round rounds to between -30 and 30 decimals, got 99");
  EXPECT_EQ(message("TensorProd(SumT(s,2000000000),SumT(s,2000000000))"),
            "TensorProd would have 4000000000000000000 components, more than 2147483647");
  EXPECT_EQ(message("KMin_Reduction(SumT(s,2000000000),2000000000,0)"),
            "KMin would have 4000000000000000000 components, more than 2147483647");
  EXPECT_EQ(message("Max_SumShiftExp_Reduction(s,0)").substr(0, 61),
            "the reduction Max_SumShiftExp has no op; expected one of Sum,");
  EXPECT_EQ(message("LogSumExp_Reduction(x,0)"),
            "reduction 'LogSumExp' expects a formula of dimension 1, got dimension 3");
}

TEST_F(BuilderTest, AFormulaOfBothIndicesNeedsAReduction) {
  EXPECT_EQ(print("x*y", {"x=Vi(1)", "y=Vj(1)"}),
            "the formula depends on both i and j: it needs a reduction over one of them\n"
            "  x*y\n"
            "  ^~~");
}

TEST_F(BuilderTest, FormulasMadeByProgramsAreChecked) {
  ExpressionRef x = makeVariable({0, 3, Category::I});
  auto message = [&](const ExpressionRef &root) {
    frontend::Diagnostic error;
    std::optional<Program> program = makeProgram(root, {}, error);
    if (program)
      EXPECT_FALSE(buildModule(context, *program, mlir::Float64Type::get(&context), error));
    return error.render();
  };
  EXPECT_EQ(message(makeCall("Nonsense", {x})), "there is no operation 'Nonsense'");
  EXPECT_EQ(message(makeCall("Exp", {x, x})), "Exp takes 1 argument (formula), got 2");
  EXPECT_EQ(message(makeCall("Elem", {x, x})), "argument 2 of Elem is an integer, got something else");
  EXPECT_EQ(message(makeCall("Exp", {makeReduction("ArgMin", x, Category::I)})),
            "ArgMin gives numbers of rows, with which formulas do not compute");
  EXPECT_EQ(message(makeReduction("KMin", x, Category::I, 0)),
            "KMin keeps the K smallest values with K between 1 and 2147483647, got 0");
  EXPECT_EQ(message(makeReduction("Nonsense", x, Category::I)), "there is no reduction 'Nonsense'");
  EXPECT_EQ(message(makeVariable({-1, 3, Category::I})),
            "Vi(-1,3) needs a position between 0 and 65535 and a dimension between 1 and 2147483647");
}
