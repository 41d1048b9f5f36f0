//===- ParserTest.cpp - Formula text, aliases, reductions --------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What text means, shown as nested calls without operators, and what is said
// about text that means nothing.
//
//===----------------------------------------------------------------------===//

#include "TestVocabulary.h"
#include "keops/Frontend/FormulaParser.h"

#include "gtest/gtest.h"

#include <random>

using namespace keops::frontend;

static std::vector<Declaration> aliases(const std::vector<std::string> &texts) {
  Diagnostic error;
  std::optional<std::vector<Declaration>> declarations = parseAliases(texts, error);
  EXPECT_TRUE(declarations) << error.render();
  return declarations ? *declarations : std::vector<Declaration>();
}

static const std::vector<Declaration> &xyg() {
  static const std::vector<Declaration> declarations = aliases({"x=Vi(3)", "y=Vj(3)", "g=Pm(1)"});
  return declarations;
}

/// Nested calls with names only: `Add(x,2)`.
static std::string dump(const Expression &node) {
  switch (node.kind) {
  case Expression::Kind::Number:
    return node.number.str();
  case Expression::Kind::Variable:
    for (const Declaration &declaration : xyg())
      if (declaration.variable == node.variable)
        return declaration.name;
    return node.variable.str();
  case Expression::Kind::Call:
  case Expression::Kind::Reduction:
    break;
  }
  std::string text = node.name + "(";
  for (const Argument &argument : node.arguments) {
    if (text.back() != '(')
      text += ",";
    if (!argument.isList()) {
      text += dump(*argument.formula());
      continue;
    }
    text += "[";
    for (int64_t integer : argument.list())
      text += (text.back() == '[' ? "" : " ") + std::to_string(integer);
    text += "]";
  }
  if (node.kind == Expression::Kind::Reduction)
    text += " to " + keywordOf(node.output).str() + (node.k ? " K=" + std::to_string(node.k) : "");
  return text + ")";
}

static std::string parse(const std::string &text) {
  Diagnostic error;
  ExpressionRef result = parseFormula(text, xyg(), testVocabulary(), error);
  return result ? dump(*result) : error.render();
}

static std::string reduction(const std::string &text) {
  Diagnostic error;
  ExpressionRef result = parseReduction(text, xyg(), testVocabulary(), error);
  return result ? dump(*result) : error.render();
}

/// The first line of the error, which must exist.
static std::string message(const std::string &text) {
  Diagnostic error;
  EXPECT_FALSE(parseFormula(text, xyg(), testVocabulary(), error)) << text;
  return error.message;
}

static std::string aliasError(const std::vector<std::string> &texts) {
  Diagnostic error;
  EXPECT_FALSE(parseAliases(texts, error));
  return error.message;
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

TEST(FormulaParserTest, OperatorsBindAsInPython) {
  EXPECT_EQ(parse("-x**2"), "Minus(Square(x))");
  EXPECT_EQ(parse("x|y+g"), "Scalprod(x,Add(y,g))");
  EXPECT_EQ(parse("x|y*g"), "Scalprod(x,Mult(y,g))");
  EXPECT_EQ(parse("-x|y"), "Scalprod(Minus(x),y)");
  EXPECT_EQ(parse("x<y+g"), "LessThan(x,Add(y,g))");
  EXPECT_EQ(parse("x-y-g"), "Subtract(Subtract(x,y),g)");
  EXPECT_EQ(parse("x/y*g"), "Mult(Divide(x,y),g)");
  EXPECT_EQ(parse("x**y**g"), "Powf(x,Powf(y,g))");
  EXPECT_EQ(parse("x**-y"), "Powf(x,Minus(y))");
  EXPECT_EQ(parse("-x*y"), "Mult(Minus(x),y)");
  EXPECT_EQ(parse("x*-y"), "Mult(x,Minus(y))");
  EXPECT_EQ(parse("x|y<g"), "LessThan(Scalprod(x,y),g)");
  EXPECT_EQ(parse("(x-y)*g"), "Mult(Subtract(x,y),g)");
}

TEST(FormulaParserTest, ComparisonsAreElementwise) {
  EXPECT_EQ(parse("x>y"), "LessThan(y,x)");
  EXPECT_EQ(parse("x>=y"), "LessOrEqual(y,x)");
  EXPECT_EQ(parse("x==y"), "Equal(x,y)");
  EXPECT_EQ(parse("x!=2"), "NotEqual(x,2)");
  EXPECT_EQ(parse("(1<x)<3"), "LessThan(LessThan(1,x),3)");
}

TEST(FormulaParserTest, ConstantsAreComputed) {
  EXPECT_EQ(parse("2**3*x"), "Mult(8,x)");
  EXPECT_EQ(parse("1/2*x"), "Mult(0.5,x)");
  EXPECT_EQ(parse("7//2*x"), "Mult(3,x)");
  EXPECT_EQ(parse("-7%4*x"), "Mult(1,x)");
  EXPECT_EQ(parse("-2**2*x"), "Mult(-4,x)");
  EXPECT_EQ(parse("2**-1*x"), "Mult(0.5,x)");
  EXPECT_EQ(parse("1/3*x"), "Mult(1/3,x)");
  EXPECT_EQ(parse("2|x"), "Scalprod(2,x)");
  EXPECT_EQ(parse("1e-3*x"), "Mult(0.001,x)");
  EXPECT_EQ(parse("+x"), "x");
  EXPECT_EQ(parse("True*x"), "Mult(1,x)");
  EXPECT_EQ(message("x+1/0"), "division by zero");
  EXPECT_EQ(message("x+10**10**10"), "the result is too large for a double");
  EXPECT_EQ(message("x*1e999"), "the number '1e999' is too large for a double");
}

TEST(FormulaParserTest, PowersChooseTheirOperation) {
  EXPECT_EQ(parse("x**2"), "Square(x)");
  EXPECT_EQ(parse("x**(1+1)"), "Square(x)");
  EXPECT_EQ(parse("x**-3"), "Pow(x,-3)");
  EXPECT_EQ(parse("x**0.5"), "Sqrt(x)");
  EXPECT_EQ(parse("x**y"), "Powf(x,y)");
  EXPECT_EQ(parse("2**x"), "Powf(2,x)");
  EXPECT_EQ(parse("x//2"), "Floor(Divide(x,2))");
  EXPECT_EQ(parse("x%2"), "Mod(x,2,0)");
}

TEST(FormulaParserTest, ComponentsAndSlices) {
  EXPECT_EQ(parse("x[0]"), "Elem(x,0)");
  EXPECT_EQ(parse("x[-1]**2"), "Square(Elem(x,-1))");
  EXPECT_EQ(parse("(x+y)[1]"), "Elem(Add(x,y),1)");
  EXPECT_EQ(parse("x[1:3]"), "Extract(x,1,2)");
  EXPECT_EQ(parse("x[:2]"), "Extract(x,0,2)");
  EXPECT_EQ(parse("x[1:]"), "Slice(x,1)");
  EXPECT_EQ(parse("x[:-1][0]"), "Elem(Slice(x,0,-1),0)");
  EXPECT_EQ(parse("x[-2:]"), "Slice(x,-2)");
  EXPECT_EQ(message("x[2:1]"), "the slice [2:1] is empty");
  EXPECT_EQ(message("x[0:0]"), "the slice [0:0] is empty");
  EXPECT_EQ(message("x[::2]"), "a slice x[begin:end] has no step");
  EXPECT_EQ(message("x[y]"), "expected an integer as an index, got 'y'");
  EXPECT_EQ(message("x[0,1]"), "expected ':' or ']', got ','");
}

TEST(FormulaParserTest, VariablesWithoutAliases) {
  EXPECT_EQ(parse("Var(0,3,0)+Vj(1,3)*Pm(2,1)"), "Add(x,Mult(y,g))");
  EXPECT_EQ(parse("x+Var(3,3,1)"), "Add(x,Vj(3,3))");
  EXPECT_EQ(message("Vi(3)"), "expected Vi(position, dim), got 1 integer");
  EXPECT_EQ(message("Var(0,3,3)"),
            "the category of a variable is 0 (indexed by i), 1 (indexed by j) or 2 (a parameter), got 3");
  EXPECT_EQ(message("Var(-1,3,0)"), "the position of an argument is between 0 and 65535, got -1");
  EXPECT_EQ(message("Vi(0,0)"), "the dimension of an argument is between 1 and 2147483647, got 0");
  EXPECT_EQ(message("x+Vj(0,3)"), "argument 0 is used as Vj(0,3) but also as x = Vi(0,3)");
  EXPECT_EQ(message("Vi(3,2)+Vi(3,4)"), "argument 3 is used as Vi(3,4) but also as Vi(3,2)");
  EXPECT_EQ(message("x+Vi(5,3)"), "no argument stands at position 3 although there is Vi(5,3); declare it with an "
                                  "alias such as 'Vi(3,3)'");
}

TEST(FormulaParserTest, ArgumentsMayBeLists) {
  EXPECT_EQ(parse("TensorDot(x,y,[3],[3],[0],[0])"), "TensorDot(x,y,[3],[3],[0],[0])");
  EXPECT_EQ(parse("TensorDot(x,y,(3,),(1,3),(),[2-1,-1],Ind(0,1))"), "TensorDot(x,y,[3],[1 3],[],[1 -1],[0 1])");
  EXPECT_EQ(message("TensorDot(x,y,3,3,0,0)"), "argument 3 of TensorDot is a list of integers, got '3'");
  EXPECT_EQ(message("Exp([1])"), "argument 1 of Exp is a formula, got a list of integers");
  EXPECT_EQ(message("TensorDot(x,y,[x],[3],[0],[0])"), "expected an integer in a list, got 'x'");
  EXPECT_EQ(message("x+[1]"), "a list of integers can only stand as an argument of an operation that takes one");
}

TEST(FormulaParserTest, ArgumentsAreCounted) {
  EXPECT_EQ(message("Clamp(x,0)"), "Clamp takes 3 arguments (formula, formula, formula), got 2");
  EXPECT_EQ(message("Exp()"), "Exp takes 1 argument (formula), got 0");
  EXPECT_EQ(message("Mod(x)"), "Mod takes 2 to 3 arguments (formula, formula, formula (optional)), got 1");
  EXPECT_EQ(parse("Clamp(x,0,1)"), "Clamp(x,0,1)");
  EXPECT_EQ(parse("Elem(x,2**3-6)"), "Elem(x,2)");
  EXPECT_EQ(message("Elem(x,y)"), "argument 2 of Elem is an integer, got 'y'");
  EXPECT_EQ(message("Elem(x,0.5)"), "argument 2 of Elem is an integer, got '0.5'");
  EXPECT_EQ(message("Grad(x,2*x,y)"), "argument 2 of Grad is a variable, got '2*x'");
}

TEST(FormulaParserTest, UnknownNamesHaveNeighbours) {
  EXPECT_EQ(message("Epx(x)"), "there is no operation 'Epx'; did you mean 'Exp'?");
  EXPECT_EQ(message("sqdist(x,y)"), "there is no operation 'sqdist'; did you mean 'SqDist'?");
  EXPECT_EQ(message("Xylophone(x)"), "there is no operation 'Xylophone'");
  EXPECT_EQ(message("x+X"), "there is no argument 'X'; did you mean 'x'?");
  EXPECT_EQ(message("x+z"), "there is no argument 'z'");
  EXPECT_EQ(message("Exp+x"), "'Exp' is an operation and needs its arguments in parentheses");
  Diagnostic error;
  EXPECT_FALSE(parseFormula("x", {}, testVocabulary(), error));
  EXPECT_EQ(error.message, "there is no argument 'x'; no aliases are given");
}

TEST(FormulaParserTest, AliasesHideOperations) {
  Diagnostic error;
  std::vector<Declaration> shadow = aliases({"Sum=Vi(3)"});
  ExpressionRef result = parseFormula("Sum*2", shadow, testVocabulary(), error);
  ASSERT_TRUE(result) << error.render();
  EXPECT_EQ(dump(*result), "Mult(x,2)");
  EXPECT_FALSE(parseFormula("Sum(Sum)", shadow, testVocabulary(), error));
  EXPECT_EQ(error.message, "'Sum' is the argument Vi(0,3) here, not an operation");
}

TEST(FormulaParserTest, ChainsOfComparisonsAreRefused) {
  EXPECT_EQ(parse("1<x<3"), "a chain of comparisons does not mean both of them; write their product: (1<x)*(x<3)\n"
                            "  1<x<3\n"
                            "     ^");
  EXPECT_EQ(message("g>(x<y)==0"),
            "a chain of comparisons does not mean both of them; write their product: (g>(x<y))*((x<y)==0)");
}

TEST(FormulaParserTest, ErrorsPointAtTheirPlace) {
  EXPECT_EQ(parse("Exp(-SqDst(x,y))*g"), "there is no operation 'SqDst'; did you mean 'SqDist'?\n"
                                         "  Exp(-SqDst(x,y))*g\n"
                                         "       ^~~~~");
  EXPECT_EQ(parse("Exp(x"), "this '(' is never closed\n"
                            "  Exp(x\n"
                            "     ^");
  EXPECT_EQ(parse("x+y)"), "this ')' closes nothing\n"
                           "  x+y)\n"
                           "     ^");
  EXPECT_EQ(parse("x +\n\té y"), "the character 'é' has no meaning in a formula\n"
                                 "   é y\n"
                                 "   ^");
  EXPECT_EQ(parse(""), "the formula is empty\n  \n  ^");
  EXPECT_EQ(parse("x*"), "a formula is missing at the end\n  x*\n    ^");
}

TEST(FormulaParserTest, LongTextIsCutAroundThePlace) {
  std::string text = "x";
  for (int i = 0; i < 1000; ++i)
    text += "+x";
  std::string shown = parse(text + "+z+" + text);
  EXPECT_LT(shown.size(), 400u);
  EXPECT_NE(shown.find("  ..."), std::string::npos) << shown;
  size_t line = shown.find('\n') + 1, caret = shown.find('\n', line) + 1;
  EXPECT_EQ(shown[line + (shown.find('^') - caret)], 'z') << shown;
}

TEST(FormulaParserTest, StrayTextIsExplained) {
  EXPECT_EQ(message("x^2"), "the character '^' has no meaning in a formula; a power is written x**2");
  EXPECT_EQ(message("2x"), "expected an operator between '2' and 'x'; a product is written with *");
  EXPECT_EQ(message("x y"), "expected an operator or the end, got 'y'");
  EXPECT_EQ(message("x=y"), "'=' has no meaning in a formula; equality of components is written ==");
  EXPECT_EQ(message("Exp(x;y)"), "the character ';' has no meaning in a formula");
  EXPECT_EQ(message("*x"), "expected a formula, got '*'");
  EXPECT_EQ(message("x.T"), "the character '.' has no meaning in a formula outside of a number");
  EXPECT_EQ(message(std::string("x\0", 2)), "the character '?' has no meaning in a formula");
}

TEST(FormulaParserTest, NestingIsBounded) {
  auto nested = [](const std::string &open, size_t depth, const std::string &close) {
    std::string text;
    for (size_t i = 0; i < depth; ++i)
      text += open;
    text += "x";
    for (size_t i = 0; i < depth; ++i)
      text += close;
    return text;
  };
  for (const char *open : {"(", "Exp(", "-(1+2*x<"}) {
    Diagnostic error;
    EXPECT_TRUE(parseFormula(nested(open, maxNesting - 1, ")"), xyg(), testVocabulary(), error)) << error.message;
    EXPECT_EQ(message(nested(open, 20000, ")")), "the formula is nested deeper than 500 levels");
  }
  EXPECT_EQ(message(nested("x**", 20000, "")), "the formula is nested deeper than 500 levels");
  EXPECT_EQ(message(nested("Vi(", 20000, "")), "the formula is nested deeper than 500 levels");
  EXPECT_EQ(message(nested("x[", 20000, "")), "the formula is nested deeper than 500 levels");
  // Chains are not nesting.
  Diagnostic error;
  for (const char *link : {"x+", "-", "x*-"})
    EXPECT_TRUE(parseFormula(nested(link, 20000, ""), xyg(), testVocabulary(), error)) << error.message;
  EXPECT_TRUE(parseFormula(nested("", 20000, "[0]"), xyg(), testVocabulary(), error)) << error.message;
}

//===----------------------------------------------------------------------===//
// Aliases
//===----------------------------------------------------------------------===//

TEST(AliasTest, AllForms) {
  std::vector<Declaration> all = aliases(
      {"x = Vi(3)", " b=Vj( 1 , 2 )", "Pm(4)", "Vj(3,5)", "Var(4,6,1)", "u=Var(5,7,2)", "v=Vx(1)", "w=Vy(7,2)"});
  std::vector<std::string> shown;
  for (const Declaration &declaration : all)
    shown.push_back(declaration.str());
  EXPECT_EQ(shown, (std::vector<std::string>{"x = Vi(0,3)", "b = Vj(1,2)", "Pm(2,4)", "Vj(3,5)", "Vj(4,6)",
                                             "u = Pm(5,7)", "v = Vi(6,1)", "w = Vj(7,2)"}));
}

TEST(AliasTest, ExplicitPositionsMayBeInAnyOrder) {
  std::vector<Declaration> swapped = aliases({"x=Vi(1,3)", "y=Vj(0,2)"});
  EXPECT_EQ(swapped[0].str(), "y = Vj(0,2)");
  EXPECT_EQ(swapped[1].str(), "x = Vi(1,3)");
}

TEST(AliasTest, PositionsAreAPermutation) {
  EXPECT_EQ(aliasError({"x=Vi(3)", "y=Vj(0,3)"}), "two aliases stand at position 0: x = Vi(0,3) and y = Vj(0,3)");
  EXPECT_EQ(aliasError({"x=Vi(3)", "y=Vj(2,3)"}),
            "no alias stands at position 1 although there is y = Vj(2,3); 2 aliases take the positions 0 to 1");
  EXPECT_EQ(aliasError({"x=Vi(3)", "x=Vj(3)"}), "the name 'x' is given to two arguments: x = Vi(0,3) and x = Vj(1,3)");
}

TEST(AliasTest, ErrorsSayWhatAnAliasIs) {
  EXPECT_EQ(aliasError({"x"}), "expected a name, Vi, Vj, Pm or Var, got 'x'; an alias is written like 'x = Vi(3)'");
  EXPECT_EQ(aliasError({"x=3"}), "expected Vi, Vj, Pm or Var, got '3'; an alias is written like 'x = Vi(3)'");
  EXPECT_EQ(aliasError({""}), "expected a name, Vi, Vj, Pm or Var, got the end; an alias is written like 'x = Vi(3)'");
  EXPECT_EQ(aliasError({"x=Vi(3.5)"}), "expected an integer, got '3.5'; an alias is written like 'x = Vi(3)'");
  EXPECT_EQ(aliasError({"x=Vi(3"}), "expected ',' or ')', got the end; an alias is written like 'x = Vi(3)'");
  EXPECT_EQ(aliasError({"x=Vi(3))"}), "expected the end, got ')'; an alias is written like 'x = Vi(3)'");
  EXPECT_EQ(aliasError({"x=Vi(1,2,3)"}), "expected Vi(dim) or Vi(position, dim), got 3 integers");
  EXPECT_EQ(aliasError({"x=Vi(0)"}), "the dimension of an argument is between 1 and 2147483647, got 0");
  Diagnostic error;
  EXPECT_FALSE(parseAliases({std::string("x = Wi(3)")}, error));
  EXPECT_EQ(error.render(), "expected Vi, Vj, Pm or Var, got 'Wi'; an alias is written like 'x = Vi(3)'\n"
                            "  x = Wi(3)\n"
                            "      ^~");
}

TEST(AliasTest, UnusedAndFurtherArguments) {
  Diagnostic error;
  ExpressionRef formula = parseFormula("x+Var(3,3,1)", xyg(), testVocabulary(), error);
  ASSERT_TRUE(formula) << error.render();
  std::optional<std::vector<Declaration>> arguments = collectArguments(*formula, xyg(), error);
  ASSERT_TRUE(arguments);
  ASSERT_EQ(arguments->size(), 4u);
  EXPECT_EQ((*arguments)[1].str(), "y = Vj(1,3)");
  EXPECT_EQ((*arguments)[3].str(), "Vj(3,3)");
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

TEST(ReductionTest, TheIntegerIsTheCategoryOfTheResult) {
  EXPECT_EQ(reduction("Sum_Reduction(x*y,0)"), "Sum(Mult(x,y) to Vi)");
  EXPECT_EQ(reduction("Sum_Reduction(x*y, 1)"), "Sum(Mult(x,y) to Vj)");
  EXPECT_EQ(reduction("Sum_Reduction(x,2)"), "the category of the result is 0 (indexed by i) or 1 (indexed by j), "
                                             "got 2\n  Sum_Reduction(x,2)\n                  ^");
}

TEST(ReductionTest, NamesOfOneReduction) {
  for (const char *name : {"Min_ArgMin_Reduction", "MinArgMin_Reduction", "min_argmin_Reduction", "MinArgMinReduction"})
    EXPECT_EQ(reduction(std::string(name) + "(x,0)"), "Min_ArgMin(x to Vi)");
  EXPECT_EQ(reduction("KMinArgKMin_Reduction(x,3,0)"), "KMin_ArgKMin(x to Vi K=3)");
  EXPECT_EQ(reduction("argKmin_Reduction(x,3,1)"), "ArgKMin(x to Vj K=3)");
  EXPECT_EQ(reduction("logsumexp_Reduction(g,0)"), "LogSumExp(g to Vi)");
  EXPECT_EQ(reduction("LogSumExpWeight_Reduction(g,0,x)"), "LogSumExp(g,x to Vi)");
  EXPECT_EQ(reduction("Max_SumShiftExpWeight_Reduction(g,0,x)"), "Max_SumShiftExp(g,x to Vi)");
  EXPECT_EQ(reduction("SoftMax_Reduction(g,0,x)"), "SumSoftMaxWeight(g,x to Vi)");
  EXPECT_EQ(reduction("Zero_Reduction(3,0)"), "Sum(Zero(3) to Vi)");
  for (const ReductionInfo &info : allReductions())
    EXPECT_EQ(findReduction(info.name)->name, info.name);
}

TEST(ReductionTest, ErrorsNameTheForm) {
  auto first = [](const std::string &text) { return text.substr(0, text.find('\n')); };
  EXPECT_EQ(first(reduction("Sum_Reduction(x)")), "expected Sum_Reduction(formula, category), got 1 argument");
  EXPECT_EQ(first(reduction("KMin_Reduction(x,0)")), "expected KMin_Reduction(formula, K, category), got 2 arguments");
  EXPECT_EQ(first(reduction("KMin_Reduction(x,0,0)")),
            "KMin keeps the K smallest values with K between 1 and 2147483647, got 0");
  EXPECT_EQ(first(reduction("KMin_Reduction(x,y,0)")), "expected the integer K, got 'y'");
  EXPECT_EQ(first(reduction("LogSumExp_Reduction(x,0,y,g)")),
            "expected LogSumExp_Reduction(formula, category[, weight]), got 4 arguments");
  EXPECT_EQ(first(reduction("SumSoftMaxWeight_Reduction(g,0)")),
            "SumSoftMaxWeight takes a weight formula besides its formula, got none");
  EXPECT_EQ(first(reduction("Summ_Reduction(x,0)")),
            "there is no reduction 'Summ_Reduction'; did you mean 'Sum_Reduction'?");
  EXPECT_EQ(first(reduction("x+y")), "expected a reduction such as Sum_Reduction(formula, 0), got the formula 'x+y'");
  // What depends on both indices wants a reduction, whatever stands in it.
  EXPECT_EQ(first(reduction("y+Sum_Reduction(x,0)")),
            "expected a reduction such as Sum_Reduction(formula, 0), got the formula 'y+Sum_Reduction(x,0)'");
  EXPECT_EQ(reduction("Sum_Reduction(x,0)+1"), "Add(Sum(x to Vi),1)");
  EXPECT_EQ(reduction("Exp(-Sum_Reduction(Max_Reduction(x,0),1))"), "Exp(Minus(Sum(Max(x to Vi) to Vj)))");
  EXPECT_EQ(first(reduction("")), "the formula is empty");
}

//===----------------------------------------------------------------------===//
// Any bytes
//===----------------------------------------------------------------------===//

TEST(FormulaParserTest, AnyBytesGiveAResultOrADiagnostic) {
  const std::string seeds[] = {
      "Sum_Reduction(Exp(-SqDist(x,y)/g)*Var(3,2,1), 0)",
      "TensorDot(x,y,[3],(1,3),[],(),Ind(0,1))+x[-1]*y[1:-1]",
      "1e-3*x**0.5 >= 2.5|-y**-2 != Clamp(x,0,1)%7//2",
      "KMin_Reduction(Mod(x,2,0),5,1) KMinArgKMin_Reduction(x,3,0)",
      "b = Var(1, 3, 1) Vi(3) Pm(0,2)",
  };
  const std::string alphabet = "xyg()[],:=+-*/%|<>!0123456789.eE_ \n\tSumExp\xc3\xa9\xff";
  std::mt19937 random(20240229);
  auto below = [&](size_t bound) { return std::uniform_int_distribution<size_t>(0, bound - 1)(random); };
  size_t accepted = 0, refused = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text = seeds[below(std::size(seeds))];
    if (round % 4 == 0) {
      text.clear();
      for (size_t size = below(40); text.size() < size;)
        text += round % 8 == 0 ? static_cast<char>(below(256)) : alphabet[below(alphabet.size())];
    }
    for (size_t edits = below(4); edits > 0 && !text.empty(); --edits) {
      size_t at = below(text.size());
      switch (below(3)) {
      case 0:
        text[at] = alphabet[below(alphabet.size())];
        break;
      case 1:
        text.erase(at, 1 + below(5));
        break;
      default:
        text.insert(at, text.substr(below(text.size()), below(10)));
      }
    }
    Diagnostic error;
    ExpressionRef formula = round % 2 ? parseFormula(text, xyg(), testVocabulary(), error)
                                      : parseReduction(text, xyg(), testVocabulary(), error);
    ++(formula ? accepted : refused);
    EXPECT_TRUE(formula || (!error.message.empty() && error.where.text)) << text;
    EXPECT_LE(error.where.offset, text.size()) << text;
    EXPECT_FALSE(error.render().empty() && !formula);
    parseAlias(text, 0, error);
  }
  EXPECT_GT(accepted, 500u);
  EXPECT_GT(refused, 5000u);
}
