//===- FactorizeTest.cpp - Factorizing keeps values -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each rewriting alone, all of them, and random formulas: values before and
// after differ by no more than their error bounds in float64, and the bounds hardly
// grow, but for the one rewriting that is off by default, whose growth is
// measured.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Interpreter.h"
#include "keops/Frontend/FormulaBuilder.h"
#include "keops/Frontend/FormulaParser.h"
#include "keops/Transforms/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include "gtest/gtest.h"

#include <cmath>
#include <random>
#include <string>

using namespace keops;

namespace {

constexpr int64_t kRowsI = 3, kRowsJ = 7;

KeopsFactorizeOptions none() {
  KeopsFactorizeOptions options;
  options.group = options.distribute = options.hoist = options.softmax = options.reuse = options.expand = false;
  return options;
}

class FactorizeTest : public ::testing::Test {
protected:
  FactorizeTest() { context.loadDialect<KeopsDialect>(); }

  /// The formula of a text, simplified.
  mlir::OwningOpRef<mlir::ModuleOp> build(const std::string &text, const std::vector<std::string> &aliases) {
    frontend::Diagnostic error;
    auto program = frontend::parseProgram(text, aliases, error);
    EXPECT_TRUE(program) << error.render();
    if (!program)
      return {};
    auto module = frontend::buildModule(context, *program, mlir::Float64Type::get(&context), error);
    EXPECT_TRUE(module) << error.render();
    if (!module)
      return {};
    mlir::PassManager manager(&context);
    manager.addNestedPass<FormulaFuncOp>(createKeopsExpandDerivatives());
    manager.addNestedPass<FormulaFuncOp>(createKeopsSimplify());
    EXPECT_TRUE(mlir::succeeded(manager.run(*module))) << text;
    return module;
  }

  mlir::OwningOpRef<mlir::ModuleOp> factorize(mlir::ModuleOp module, const KeopsFactorizeOptions &options) {
    mlir::OwningOpRef<mlir::ModuleOp> copy(module.clone());
    mlir::PassManager manager(&context);
    manager.addNestedPass<FormulaFuncOp>(createKeopsFactorize(options));
    EXPECT_TRUE(mlir::succeeded(manager.run(*copy)));
    return copy;
  }

  static FormulaFuncOp formulaOf(mlir::ModuleOp module) { return *module.getOps<FormulaFuncOp>().begin(); }

  /// Row `row` of all results, for numbers drawn with `seed` from [least, most).
  static std::vector<InterpreterRow> evaluate(mlir::ModuleOp module, unsigned seed, int64_t row, double least = -1.2,
                                              double most = 1.2) {
    InterpreterInputs inputs;
    inputs.rowsI = kRowsI;
    inputs.rowsJ = kRowsJ;
    inputs.read = [&](unsigned argument, int64_t r, int64_t d) {
      std::minstd_rand random(static_cast<unsigned>(seed * 7919 + argument * 1009 + r * 31 + d * 7 + 1));
      random.discard(3);
      return std::uniform_real_distribution<double>(least, most)(random);
    };
    return interpret(formulaOf(module), inputs, row);
  }

  /// Compares all rows; bounds may be `growth` times as large afterwards. Returns the largest ratio of bounds.
  double compare(mlir::ModuleOp before, mlir::ModuleOp after, unsigned seed, double growth, const std::string &what,
                 double least = -1.2, double most = 1.2) {
    double worst = 0;
    for (int64_t row = 0; row < kRowsI; ++row) {
      auto expected = evaluate(before, seed, row, least, most), got = evaluate(after, seed, row, least, most);
      EXPECT_EQ(expected.size(), got.size()) << what;
      for (size_t n = 0; n < expected.size(); ++n)
        for (size_t d = 0; d < expected[n].values.size(); ++d) {
          double a = expected[n].values[d], b = got[n].values[d], bound = expected[n].bounds[d];
          if (!std::isfinite(a) || !std::isfinite(bound))
            continue;
          EXPECT_LE(std::fabs(a - b), bound + got[n].bounds[d]) << what << ", row " << row << ": " << a << " and " << b;
          EXPECT_LE(got[n].bounds[d], growth * bound + 1e-300) << what << ", row " << row;
          worst = std::max(worst, bound > 0 ? got[n].bounds[d] / bound : 0);
        }
    }
    return worst;
  }

  /// A special function counts as four.
  static int64_t countPairOps(mlir::ModuleOp module) {
    int64_t count = 0;
    module.walk([&](FormulaOpInterface op) {
      auto type = llvm::cast<VecType>(op->getResult(0).getType());
      if (type.getIndices() == IndexSet::IJ)
        count += (op.cost().plain + 4 * op.cost().special) * type.getDim();
    });
    return count;
  }

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
};

const std::vector<std::string> kAliases = {"x = Vi(3)", "y = Vj(3)", "a = Vi(1)",
                                           "b = Vj(1)", "c = Vj(1)", "p = Pm(1)"};

/// A formula, the rewriting that serves it, and how many operations a pair is then left with, at most.
struct Case {
  const char *name;
  std::string text;
  bool KeopsFactorizeOptions::*option;
  int64_t atMost;
  double growth = 1.5; ///< of error bounds
};

const Case kCases[] = {
    {"GroupColumns", "Sum_Reduction(Exp(a-b)*b*c,0)", &KeopsFactorizeOptions::group, 6},
    {"GroupNumbers", "Sum_Reduction((x-y)*Exp(a-b)*Cos(a-b),0)", &KeopsFactorizeOptions::group, 16},
    {"GroupDivisions", "Sum_Reduction(b/Exp(a-b)/Cos(a-b),0)", &KeopsFactorizeOptions::group, 14},
    {"GroupComponents", "Sum_Reduction(Sum(x*Exp(a-b)*y),0)", &KeopsFactorizeOptions::group, 12},
    {"GroupSigns", "Sum_Reduction(Exp(-(Abs(a-b)*p)*0.5),0)", &KeopsFactorizeOptions::group, 7},
    {"DistributeProducts", "Sum_Reduction(Exp(a-b)*b-c*Exp(a-b),0)", &KeopsFactorizeOptions::distribute, 6},
    {"DistributeQuotients", "Sum_Reduction(a/Exp(a-b)+b/Exp(a-b),0)", &KeopsFactorizeOptions::distribute, 10},
    {"DistributeConstants", "Sum_Reduction(2*(Exp(a-b)*b)-2*(c*Exp(a-b)),0)", &KeopsFactorizeOptions::distribute, 7},
    {"HoistVector", "Sum_Reduction(x*Exp(a-b),0)", &KeopsFactorizeOptions::hoist, 5},
    {"HoistOverRows", "Sum_Reduction(y*Exp(a-b),1)", &KeopsFactorizeOptions::hoist, 5},
    // Products of a matrix may cancel, and the roundings of sums not: as many as there are columns.
    {"HoistMatrix", "Sum_Reduction(MatVecMult(TensorProd(x,x),y)*b,0)", &KeopsFactorizeOptions::hoist, 0, kRowsJ},
    {"HoistQuotient", "Sum_Reduction(-Exp(a-b)/(2*a),0)", &KeopsFactorizeOptions::hoist, 5},
    {"HoistMean", "SumSoftMaxWeight_Reduction(a*b,0,x*Exp(a-b))", &KeopsFactorizeOptions::hoist, 6},
};

class FactorizeCase : public FactorizeTest, public ::testing::WithParamInterface<Case> {};

TEST_P(FactorizeCase, KeepsValuesAndSavesWork) {
  const Case &item = GetParam();
  auto before = build(item.text, kAliases);
  ASSERT_TRUE(before);
  KeopsFactorizeOptions options = none();
  options.*item.option = true;
  auto after = factorize(*before, options);
  EXPECT_LT(countPairOps(*after), countPairOps(*before));
  EXPECT_LE(countPairOps(*after), item.atMost);
  for (unsigned seed = 0; seed < 20; ++seed)
    compare(*before, *after, seed, item.growth, item.text);
}

INSTANTIATE_TEST_SUITE_P(All, FactorizeCase, ::testing::ValuesIn(kCases),
                         [](const auto &info) { return std::string(info.param.name); });

TEST_F(FactorizeTest, AllOptionsOffChangeNothing) {
  for (const Case &item : kCases) {
    auto before = build(item.text, kAliases);
    auto after = factorize(*before, none());
    EXPECT_EQ(countPairOps(*before), countPairOps(*after)) << item.text;
  }
}

TEST_F(FactorizeTest, KeepsGradients) {
  const std::string kernel = "Sum_Reduction(Exp(-SqDist(x,y)*p)*b*c,0)";
  for (const std::string &text : std::vector<std::string>{
           "Grad(" + kernel + ",x,Vi(6,1))", "Grad(" + kernel + ",y,Vi(6,1))", "Grad(" + kernel + ",b,Vi(6,1))",
           "Grad(Sum_Reduction(Exp(-SqDist(x,y)*p)*y,0),x,Vi(6,3))",
           "Grad(LogSumExp_Reduction(-SqDist(x,y),0),x,Vi(6,1))",
           "Grad(Sum_Reduction(b*Inv(1+SqDist(x,y))+c*Rsqrt(1+SqDist(x,y)),0),x,Vi(6,1))"}) {
    auto before = build(text, kAliases);
    ASSERT_TRUE(before) << text;
    auto after = factorize(*before, KeopsFactorizeOptions());
    EXPECT_LE(countPairOps(*after), countPairOps(*before)) << text;
    for (unsigned seed = 0; seed < 10; ++seed)
      compare(*before, *after, seed, 1.5, text);
  }
}

//===----------------------------------------------------------------------===//
// Random formulas
//===----------------------------------------------------------------------===//

class Generator {
public:
  explicit Generator(unsigned seed) : random(seed) {}

  /// A formula of one component, or of one or three.
  std::string draw(int depth, bool scalar) {
    if (depth == 0) {
      static const char *scalars[] = {"a", "b", "c", "p", "1.5", "Exp(a-b)", "SqDist(x,y)"},
                        *vectors[] = {"x", "y", "(x-y)"};
      return scalar || pick(3) == 0 ? scalars[pick(7)] : vectors[pick(3)];
    }
    std::string lhs = draw(depth - 1, scalar), rhs = draw(depth - 1, scalar);
    switch (pick(8)) {
    case 0:
      return "(" + lhs + "+" + rhs + ")";
    case 1:
      return "(" + lhs + "-" + rhs + ")";
    case 2:
      return "(" + lhs + "/(1+Square(" + draw(depth - 1, true) + ")))";
    case 3:
      return "(-" + lhs + ")";
    case 4:
      // The same factor in both terms.
      return "(" + lhs + "*a*" + rhs + "-" + lhs + "*b)";
    case 5:
      return scalar ? "Sum(x*" + rhs + ")" : "(" + lhs + "*" + rhs + ")";
    default:
      return "(" + lhs + "*" + rhs + ")";
    }
  }
  unsigned pick(unsigned count) { return std::uniform_int_distribution<unsigned>(0, count - 1)(random); }

private:
  std::minstd_rand random;
};

TEST_F(FactorizeTest, KeepsRandomFormulas) {
  int64_t saved = 0;
  for (unsigned seed = 0; seed < 200; ++seed) {
    Generator generator(seed + 1);
    std::string text =
        "Sum_Reduction(" + generator.draw(1 + seed % 3, seed % 2 == 0) + "," + std::to_string(generator.pick(2)) + ")";
    if (seed % 5 == 0)
      text = "Grad(" + text + ",x," + (text[text.size() - 2] == '0' ? "Vi" : "Vj") + "(6,DIM))";
    mlir::OwningOpRef<mlir::ModuleOp> before;
    if (size_t at = text.find("DIM"); at != std::string::npos) {
      frontend::Diagnostic error;
      auto inner = frontend::parseProgram(text.substr(5, text.rfind(",x,") - 5), kAliases, error);
      ASSERT_TRUE(inner) << error.render();
      text.replace(at, 3, std::to_string(*frontend::dimensionOf(inner->root, error)));
    }
    before = build(text, kAliases);
    ASSERT_TRUE(before) << text;
    auto after = factorize(*before, KeopsFactorizeOptions());
    EXPECT_LE(countPairOps(*after), countPairOps(*before)) << text;
    saved += countPairOps(*before) - countPairOps(*after);
    // Factors may be shared that were multiplied at the first place where they met: bounds are not exactly the same.
    compare(*before, *after, seed, 2, text);
    auto twice = factorize(*after, KeopsFactorizeOptions());
    EXPECT_EQ(countPairOps(*after), countPairOps(*twice)) << text;
    KeopsFactorizeOptions expanding;
    expanding.expand = true;
    compare(*before, *factorize(*before, expanding), seed, 1e3, text);
  }
  EXPECT_GT(saved, 0);
}

//===----------------------------------------------------------------------===//
// Expanded differences
//===----------------------------------------------------------------------===//

// Σ k (x − y) = x Σ k − Σ k y: the bound grows as the distance from the origin over the distance between the points.
TEST_F(FactorizeTest, ExpandedDifferencesLoseWhatPointsAreAwayFromTheOrigin) {
  auto before = build("Sum_Reduction(Exp(-SqDist(x,y))*(x-y),0)", kAliases);
  KeopsFactorizeOptions expanding;
  expanding.expand = true;
  auto exact = factorize(*before, KeopsFactorizeOptions()), expanded = factorize(*before, expanding);
  EXPECT_LT(countPairOps(*expanded), countPairOps(*exact) + 1);
  for (double offset : {0.0, 10.0, 1000.0}) {
    double ratio = compare(*exact, *expanded, 1, 40 * (1 + offset), "expanded", offset - 0.5, offset + 0.5);
    RecordProperty("growth at " + std::to_string(static_cast<int>(offset)), std::to_string(ratio));
    printf("offset %g: the bound of the expanded sum is %.3g times that of the exact one\n", offset, ratio);
    if (offset > 0)
      EXPECT_GT(ratio, offset / 10) << "it is safe after all";
  }
}

} // namespace
