//===- DescriptionTest.cpp - What formulas and kernels say of themselves ----===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Dimensions and text of formulas, the list of operations, and the program of a
// kernel after each phase: what a front in another language builds on.
//
//===----------------------------------------------------------------------===//

#include "EngineTesting.h"

#include <algorithm>
#include <functional>

using namespace keops;
using namespace keops::test;

namespace {

const std::vector<std::string> aliases = {"x = Vi(3)", "y = Vj(3)", "b = Vj(2)"};

std::string messageOf(const std::function<void()> &body) {
  try {
    body();
  } catch (const Error &error) {
    return error.what();
  }
  return "no error";
}

} // namespace

TEST(DescriptionTest, DimensionOfAFormula) {
  EXPECT_EQ(Formula::parse("Exp(-SqDist(x,y))*b", aliases).dim(), 2);
  EXPECT_EQ(Formula::parse("GradMatrix(x*b[0],x)", aliases).dim(), 9);
  EXPECT_EQ(Formula::parse("IntCst(2)", {}).dim(), 1);
  EXPECT_EQ((rowVariable(0, 4) - columnVariable(1, 4)).dim(), 4);
}

TEST(DescriptionTest, OperandsThatDoNotFitHaveNoDimension) {
  std::string message = messageOf([] { Formula::parse("x+b", aliases).dim(); });
  EXPECT_NE(message.find("3 and 2"), std::string::npos) << message;
}

TEST(DescriptionTest, TextHasTheNamesOfAliases) {
  Formula formula = exp(-sqdist(rowVariable(0, 3), columnVariable(1, 3))) * columnVariable(2, 2);
  EXPECT_EQ(formula.str(aliases), "Exp(-SqDist(x,y))*b");
  EXPECT_EQ(formula.str({"x = Vi(3)"}), "Exp(-SqDist(x,Var(1,3,1)))*Var(2,2,1)");
  EXPECT_EQ(Formula::parse(formula.str(aliases), aliases).str(), formula.str());
  EXPECT_NE(messageOf([&] { formula.str({"x = Vk(3)"}); }), "no error");
}

TEST(DescriptionTest, OperationsAreListedWithTheirArguments) {
  std::vector<std::string> operations = allOperations();
  EXPECT_TRUE(std::is_sorted(operations.begin(), operations.end()));
  for (const char *one : {"Exp(formula)", "Elem(formula, integer)", "Index_i()", "GradMatrix(formula, variable)"})
    EXPECT_NE(std::find(operations.begin(), operations.end(), one), operations.end()) << one;
}

TEST(DescriptionTest, ProgramAfterEachPhase) {
  Engine engine{inMemory()};
  Reduction reduction = sum(Formula::parse("Exp(-SqDist(x,y))*b", aliases), Over::Columns);
  reduction.aliases = aliases;
  Kernel kernel = engine.compile(reduction, DType::F32);
  for (auto [phase, word] : {std::pair("formula", "keops.formula"), std::pair("expanded", "keops.reduce"),
                             std::pair("factorized", "keops.reduce"), std::pair("scheduled", "keops.schedule"),
                             std::pair("tiled", "keops.kernel"), std::pair("llvm", "llvm.func"),
                             std::pair("llvmir", "define "), std::pair("asm", "ret")}) {
    std::string text = kernel.text(phase);
    EXPECT_NE(text.find(word), std::string::npos) << phase << ":\n" << text.substr(0, 2000);
  }
  std::string message = messageOf([&] { kernel.text("tilde"); });
  EXPECT_NE(message.find("tiled"), std::string::npos) << message;
  EXPECT_NE(message.find("'tilde'"), std::string::npos) << message;
}
