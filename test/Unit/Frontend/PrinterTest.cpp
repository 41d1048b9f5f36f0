//===- PrinterTest.cpp - Expressions to text and back ------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Printed text reads back as the same tree, for chosen texts, for trees that
// text does not produce by itself, and for random trees.
//
//===----------------------------------------------------------------------===//

#include "TestVocabulary.h"
#include "keops/Frontend/FormulaPrinter.h"

#include "gtest/gtest.h"

#include <limits>
#include <random>

using namespace keops::frontend;

static const std::vector<Declaration> &xyg() {
  static const std::vector<Declaration> declarations = [] {
    Diagnostic error;
    return *parseAliases({"x=Vi(3)", "y=Vj(3)", "g=Pm(1)"}, error);
  }();
  return declarations;
}

static ExpressionRef variable(int64_t position) { return makeVariable(xyg()[position].variable); }

static std::string print(const Expression &root) {
  Diagnostic error;
  std::optional<std::string> text = printFormula(root, xyg(), error);
  return text ? *text : "error: " + error.message;
}

static ExpressionRef parse(const std::string &text) {
  Diagnostic error;
  ExpressionRef result = parseFormula(text, xyg(), testVocabulary(), error);
  EXPECT_TRUE(result) << error.render();
  return result;
}

/// The text of `root`, after checking that it reads back.
static std::string roundTrip(const ExpressionRef &root) {
  std::string text = print(*root);
  ExpressionRef again = parse(text);
  EXPECT_TRUE(again && structurallyEqual(*root, *again)) << text;
  return text;
}

TEST(PrinterTest, TextWithoutNeedlessParentheses) {
  for (const char *text : {"-x**2",
                           "(-x)**2",
                           "x|y+g",
                           "(x|y)+g",
                           "x-y-g",
                           "x-(y-g)",
                           "x/(y*g)",
                           "x/y*g",
                           "x**y**g",
                           "(x**y)**g",
                           "x**-y",
                           "-x*y",
                           "-(x*y)",
                           "x<y",
                           "(x<y)<g",
                           "x==(y<g)",
                           "x-(-y)",
                           "-(-(x+y)*g)",
                           "2**x",
                           "(-2)**x",
                           "x**1.5",
                           "0.1*x",
                           "1/3*x",
                           "x*(1/3)",
                           "x-(-2)",
                           "x*(-2)",
                           "-2*x",
                           "x**-3",
                           "x**0",
                           "Exp(-SqDist(x,y)/g)*y",
                           "TensorDot(x,y,[3],[3],[0],[0],[])",
                           "x[1:]",
                           "x[0:-1]",
                           "(x+y)[-2:]",
                           "Elem(x,2)",
                           "1/x",
                           "x/3",
                           "2|x",
                           "1e+22*x",
                           "1/3/x",
                           "--x",
                           "-1/3*x",
                           "Clamp(x,-1,0.5)",
                           "Sqrt(x)",
                           "x[1:][1:]",
                           "x|-y",
                           "x<-1"})
    EXPECT_EQ(roundTrip(parse(text)), text);
}

TEST(PrinterTest, CallsThatNoOperatorMakes) {
  ExpressionRef one = makeNumber(1), two = makeNumber(2), x = variable(0);
  EXPECT_EQ(roundTrip(makeCall("Add", {one, two})), "Add(1,2)");
  EXPECT_EQ(roundTrip(makeCall("Minus", {two})), "Minus(2)");
  EXPECT_EQ(roundTrip(makeCall("Square", {two})), "Square(2)");
  EXPECT_EQ(roundTrip(makeCall("Pow", {x, two})), "Pow(x,2)");
  EXPECT_EQ(roundTrip(makeCall("Powf", {x, two})), "Powf(x,2)");
  EXPECT_EQ(roundTrip(makeCall("Powf", {x, makeNumber(-0.5)})), "Powf(x,-0.5)");
  EXPECT_EQ(roundTrip(makeCall("Slice", {x, one, two})), "Slice(x,1,2)");
  EXPECT_EQ(roundTrip(makeCall("Scalprod", {one, two})), "1|2");
  EXPECT_EQ(roundTrip(makeCall("Divide", {x, makeNumber(0.0)})), "x/0");
}

TEST(PrinterTest, VariablesWithoutAliases) {
  Diagnostic error;
  ExpressionRef formula = makeCall("Add", {variable(0), variable(1)});
  EXPECT_EQ(*printFormula(*formula, {}, error), "Var(0,3,0)+Var(1,3,1)");
  EXPECT_EQ(roundTrip(makeCall("Add", {variable(0), makeVariable({3, 2, Category::Parameter})})), "x+Var(3,2,2)");
}

TEST(PrinterTest, Reductions) {
  for (const char *text : {"Sum_Reduction(x*y,0)", "KMin_ArgKMin_Reduction(x|y,3,1)", "LogSumExp_Reduction(g,0,x)"}) {
    Diagnostic error;
    ExpressionRef reduction = parseReduction(text, xyg(), testVocabulary(), error);
    ASSERT_TRUE(reduction) << error.render();
    EXPECT_EQ(print(*reduction), text);
  }
}

TEST(PrinterTest, WhatHasNoText) {
  ExpressionRef ladder = variable(0);
  for (int i = 0; i < 200; ++i)
    ladder = makeCall("Add", {ladder, ladder});
  EXPECT_EQ(print(*ladder), "error: the text of the formula is longer than 1048576 characters");
  EXPECT_EQ(print(*makeNumber(std::numeric_limits<double>::quiet_NaN())),
            "error: the formula has no text because a number in it is not finite");
  Diagnostic error;
  std::optional<std::vector<Declaration>> shadow = parseAliases({std::string("Exp=Vi(3)")}, error);
  EXPECT_FALSE(printFormula(*makeCall("Exp", {variable(0)}), *shadow, error));
  EXPECT_EQ(error.message, "the formula has no text because the alias 'Exp' hides the operation of that name");
}

TEST(PrinterTest, DeepFormulasPrintWithoutRecursion) {
  ExpressionRef sum = variable(0);
  for (int i = 0; i < 20000; ++i)
    sum = makeCall("Add", {sum, variable(1)});
  EXPECT_EQ(roundTrip(sum).size(), 40001u);
}

TEST(PrinterTest, RandomTreesReadBack) {
  std::mt19937 random(7);
  auto below = [&](size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random); };
  const double values[] = {0, 1, 2, -1, -2, 0.5, -0.5, 1.5, 3, -7.25, 1e-7, 1e30, 0.1};
  const char *binary[] = {"Add",      "Subtract",    "Mult",  "Divide",   "Powf",  "Scalprod",
                          "LessThan", "LessOrEqual", "Equal", "NotEqual", "Concat"};
  const char *unary[] = {"Minus", "Square", "Sqrt", "Exp", "Sum"};
  for (int round = 0; round < 2000; ++round) {
    std::vector<ExpressionRef> pool = {variable(0), variable(1), variable(2), makeNumber(*Number::fraction(-2, 3))};
    for (size_t size = 1 + below(15); size > 0; --size) {
      const ExpressionRef &a = pool[pool.size() - 1 - below(std::min<size_t>(4, pool.size()))];
      const ExpressionRef &b = pool[below(pool.size())];
      ExpressionRef made;
      switch (below(6)) {
      case 0:
        made = makeNumber(values[below(std::size(values))]);
        break;
      case 1:
        made = makeCall(unary[below(std::size(unary))], {a});
        break;
      case 2:
        made = makeCall(below(2) ? "Pow" : "Elem", {a, makeNumber(static_cast<double>(below(7)) - 3)});
        break;
      default:
        made = below(2) ? makeCall(binary[below(std::size(binary))], {a, b})
                        : makeCall(binary[below(std::size(binary))], {b, a});
      }
      pool.push_back(made);
    }
    roundTrip(pool.back());
  }
}
