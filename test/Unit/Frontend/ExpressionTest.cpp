//===- ExpressionTest.cpp - Numbers, nodes and walks -------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Arithmetic on constants is exact where it can be; formulas of any depth and
// any amount of sharing are walked, compared and destroyed in linear time.
//
//===----------------------------------------------------------------------===//

#include "keops/Frontend/Expression.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>

using namespace keops::frontend;

static std::optional<Number> calculate(double a, const char *symbol, double b) {
  std::string why;
  return evaluate(symbol, Number::of(a), Number::of(b), why);
}

TEST(NumberTest, DecimalsAreExactFractions) {
  Number tenth = *Number::parse("0.1");
  EXPECT_EQ(tenth.numerator, 1);
  EXPECT_EQ(tenth.denominator, 10);
  EXPECT_EQ(tenth.value, 0.1);
  EXPECT_EQ(Number::of(0.1), tenth);
  EXPECT_EQ(*Number::parse("1e3"), *Number::fraction(1000, 1));
  EXPECT_EQ(*Number::parse(".50"), *Number::fraction(1, 2));
  EXPECT_EQ(*Number::parse("5."), *Number::fraction(5, 1));
  EXPECT_EQ(*Number::parse("000120e-1"), *Number::fraction(12, 1));
  EXPECT_EQ(*Number::parse("0.000e99"), *Number::fraction(0, 1));
}

TEST(NumberTest, LargeAndLongNumbersAreDoubles) {
  EXPECT_FALSE(Number::parse("1e400"));
  EXPECT_FALSE(Number::parse("1e99999999999999999999"));
  EXPECT_FALSE(Number::parse("1e300")->isExact());
  EXPECT_EQ(Number::parse("1e300")->value, 1e300);
  EXPECT_EQ(Number::parse("1e-400")->value, 0);
  EXPECT_FALSE(Number::parse("9007199254740994")->isInteger());
  EXPECT_TRUE(Number::parse("9007199254740992")->isInteger());
  EXPECT_EQ(Number::parse("3.14159265358979323846")->value, 3.14159265358979323846);
}

TEST(NumberTest, TextReadsBack) {
  for (double value :
       {0.0, 1.0, -2.5, 0.1, 1e22, 1e-5, 1.7976931348623157e308, 5e-324, 123456789.123, 0.3333333333333333})
    EXPECT_EQ(Number::parse(Number::of(value).str())->value, value) << value;
  EXPECT_EQ(Number::fraction(1, 3)->str(), "1/3");
  EXPECT_EQ(Number::fraction(1, 4)->str(), "0.25");
  EXPECT_EQ(Number::fraction(-6, 3)->str(), "-2");
}

TEST(NumberTest, ArithmeticIsExactWherePossible) {
  EXPECT_EQ(*calculate(0.1, "+", 0.2), Number::of(0.3));
  EXPECT_EQ(*calculate(1, "/", 3), *Number::fraction(1, 3));
  EXPECT_EQ(*calculate(2, "**", 10), Number::of(1024));
  EXPECT_EQ(*calculate(2, "**", -2), Number::of(0.25));
  EXPECT_EQ(*calculate(-7, "//", 2), Number::of(-4));
  EXPECT_EQ(*calculate(-7, "%", 2), Number::of(1));
  EXPECT_EQ(*calculate(7, "%", -2), Number::of(-1));
  EXPECT_EQ(calculate(2, "**", 0.5)->value, std::sqrt(2.0));
  EXPECT_EQ(calculate(3, "**", 60)->value, std::pow(3.0, 60));
  EXPECT_EQ(calculate(0, "**", 0)->value, 1);
}

TEST(NumberTest, ArithmeticWithoutARealResultIsAnError) {
  std::string why;
  EXPECT_FALSE(evaluate("/", Number::of(1), Number::of(0), why));
  EXPECT_EQ(why, "division by zero");
  EXPECT_FALSE(calculate(1, "%", 0));
  EXPECT_FALSE(calculate(0, "**", -1));
  EXPECT_FALSE(evaluate("**", Number::of(-2), Number::of(0.5), why));
  EXPECT_EQ(why, "the result is not a real number");
  EXPECT_FALSE(evaluate("**", Number::of(10), Number::of(400), why));
  EXPECT_EQ(why, "the result is too large for a double");
}

TEST(ExpressionTest, OperatorsOnNumbersAreArithmetic) {
  std::string why;
  ExpressionRef three = applyOperator("+", {makeNumber(1), makeNumber(2)}, {}, why);
  ASSERT_TRUE(three);
  EXPECT_EQ(three->number, Number::of(3));
  ExpressionRef infinite = makeNumber(std::numeric_limits<double>::infinity());
  EXPECT_TRUE(applyOperator("-", {infinite}, {}, why)->isCall("Minus"));
  EXPECT_FALSE(applyOperator("/", {makeNumber(1), makeNumber(0.0)}, {}, why));
}

TEST(ExpressionTest, PowersChooseTheCheapestOperation) {
  std::string why;
  ExpressionRef x = makeVariable({0, 3, Category::I});
  auto power = [&](ExpressionRef exponent) { return applyOperator("**", {x, exponent}, {}, why)->name; };
  EXPECT_EQ(power(makeNumber(2)), "Square");
  EXPECT_EQ(power(makeNumber(-3)), "Pow");
  EXPECT_EQ(power(makeNumber(0.5)), "Sqrt");
  EXPECT_EQ(power(makeNumber(-0.5)), "Rsqrt");
  EXPECT_EQ(power(makeNumber(1.5)), "Powf");
  EXPECT_EQ(power(x), "Powf");
}

TEST(ExpressionTest, EqualityIgnoresSharing) {
  ExpressionRef x = makeVariable({0, 3, Category::I});
  ExpressionRef again = makeVariable({0, 3, Category::I});
  ExpressionRef y = makeVariable({0, 3, Category::J});
  EXPECT_TRUE(structurallyEqual(*makeCall("Add", {x, x}), *makeCall("Add", {x, again})));
  EXPECT_FALSE(structurallyEqual(*makeCall("Add", {x, x}), *makeCall("Add", {x, y})));
  EXPECT_FALSE(structurallyEqual(*makeCall("Add", {x, x}), *makeCall("Mult", {x, x})));
  using List = std::vector<int64_t>;
  EXPECT_FALSE(structurallyEqual(*makeCall("F", {x, List{1, 2}, List{}}), *makeCall("F", {x, List{1}, List{2}})));
  EXPECT_FALSE(structurallyEqual(*makeReduction("KMin", x, Category::I, 3), *makeReduction("KMin", x, Category::I, 4)));
  EXPECT_FALSE(structurallyEqual(*makeReduction("Sum", x, Category::I), *makeReduction("Sum", x, Category::J)));
}

/// 2^depth leaves in `depth` nodes.
static ExpressionRef makeLadder(int depth) {
  ExpressionRef node = makeVariable({0, 1, Category::I});
  for (int i = 0; i < depth; ++i)
    node = makeCall("Add", {node, node});
  return node;
}

TEST(ExpressionTest, SharedNodesAreVisitedOnce) {
  ExpressionRef ladder = makeLadder(100000);
  size_t count = 0;
  const Expression *last = nullptr;
  forEachNode(*ladder, [&](const Expression &node) {
    ++count;
    last = &node;
  });
  EXPECT_EQ(count, 100001u);
  EXPECT_EQ(last, ladder.get());
  EXPECT_TRUE(structurallyEqual(*ladder, *makeLadder(100000)));
  EXPECT_FALSE(structurallyEqual(*ladder, *makeLadder(99999)));
}

TEST(ExpressionTest, DeepFormulasAreDestroyedWithoutRecursion) {
  ExpressionRef node = makeVariable({0, 1, Category::I}), kept;
  for (int i = 0; i < 200000; ++i) {
    node = makeCall("Exp", {node});
    if (i == 100000)
      kept = node;
  }
  node = nullptr;
  // The half that still has an owner is untouched.
  size_t count = 0;
  forEachNode(*kept, [&](const Expression &) { ++count; });
  EXPECT_EQ(count, 100002u);
}
