//===- DifferentiateTest.cpp - Derivatives are those of the formula -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every op of the dialect, enumerated: tangent and adjoint against central
// differences, ⟨Ju, e⟩ against ⟨u, Jᵀe⟩, and the derivative of the adjoint
// against differences of the adjoint. Then reductions in the same way, and the
// values at kinks and poles, where differences say nothing.
//
//===----------------------------------------------------------------------===//

#include "keops/Dialect/Interpreter.h"
#include "keops/Transforms/Passes.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <random>
#include <string>

using namespace keops;

namespace {

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();
constexpr double step = 1e-5;
constexpr double tolerance = 1e-6;

using Row = std::vector<double>;
/// An argument's or a result's rows.
using Array = std::vector<Row>;

std::string vec(int64_t dim, const std::string &indices) {
  return "!keops.vec<" + std::to_string(dim) + "xf64" + (indices.empty() ? "" : ", " + indices) + ">";
}

double dot(const Array &a, const Array &b) {
  double sum = 0;
  for (size_t row = 0; row < a.size(); ++row)
    for (size_t d = 0; d < a[row].size(); ++d)
      sum += a[row][d] * b.at(row).at(d);
  return sum;
}

void expectNear(double got, double expected, const std::string &what) {
  EXPECT_NEAR(got, expected, tolerance * (1 + std::fabs(expected))) << what;
}

class DifferentiateTest : public ::testing::Test {
protected:
  DifferentiateTest() { context.loadDialect<KeopsDialect>(); }

  /// Reads `text` and writes out its derivatives.
  void load(const std::string &text) {
    module = mlir::parseSourceString<mlir::ModuleOp>(text, mlir::ParserConfig(&context));
    ASSERT_TRUE(module) << text;
    mlir::PassManager manager(&context);
    manager.addNestedPass<FormulaFuncOp>(createKeopsExpandDerivatives());
    ASSERT_TRUE(mlir::succeeded(manager.run(*module))) << text;
    module->walk([&](mlir::Operation *op) {
      EXPECT_FALSE((llvm::isa<GradOp, DiffOp, TraceOp>(op))) << op->getName().getStringRef().str() << " is left";
    });
  }

  FormulaFuncOp formula() { return *module->getOps<FormulaFuncOp>().begin(); }

  /// All rows of result `number`.
  Array evaluate(const std::vector<Array> &arrays, unsigned number, int64_t rowsI = 1, int64_t rowsJ = 1) {
    InterpreterInputs inputs;
    // All results are evaluated for a row, also those that have fewer rows.
    inputs.read = [&](unsigned argument, int64_t r, int64_t d) {
      const Array &array = arrays.at(argument);
      return r < static_cast<int64_t>(array.size()) ? array[r].at(d) : nan;
    };
    inputs.rowsI = rowsI;
    inputs.rowsJ = rowsJ;
    auto type = llvm::cast<VecType>(formula().getBody().front().getTerminator()->getOperand(number).getType());
    int64_t rows = type.getIndices() == IndexSet::I ? rowsI : type.getIndices() == IndexSet::J ? rowsJ : 1;
    Array result;
    for (int64_t row = 0; row < rows; ++row)
      result.push_back(interpret(formula(), inputs, row).at(number).values);
    return result;
  }

  /// The central difference of ⟨weights, result `number`⟩ in component d of a row of an argument.
  double difference(std::vector<Array> arrays, unsigned argument, size_t row, size_t d, unsigned number,
                    const Array &weights, int64_t rowsI = 1, int64_t rowsJ = 1) {
    double at = arrays[argument][row][d];
    arrays[argument][row][d] = at + step;
    double above = dot(weights, evaluate(arrays, number, rowsI, rowsJ));
    arrays[argument][row][d] = at - step;
    return (above - dot(weights, evaluate(arrays, number, rowsI, rowsJ))) / (2 * step);
  }

  /// Compares the gradient that is result `number` with differences of ⟨weights, result `of`⟩.
  void checkGradient(const std::vector<Array> &arrays, unsigned argument, unsigned number, unsigned of,
                     const Array &weights, const std::string &what, int64_t rowsI = 1, int64_t rowsJ = 1) {
    Array gradient = evaluate(arrays, number, rowsI, rowsJ);
    ASSERT_EQ(gradient.size(), arrays[argument].size()) << what;
    for (size_t row = 0; row < gradient.size(); ++row)
      for (size_t d = 0; d < gradient[row].size(); ++d)
        expectNear(gradient[row][d], difference(arrays, argument, row, d, of, weights, rowsI, rowsJ),
                   what + ", row " + std::to_string(row) + ", component " + std::to_string(d));
  }

  /// Compares all results with what they are once rows are moved.
  void checkMovedRows(const std::vector<Array> &arrays, unsigned numResults, int64_t rowsI, int64_t rowsJ) {
    std::vector<Array> before;
    for (unsigned number = 0; number < numResults; ++number)
      before.push_back(evaluate(arrays, number, rowsI, rowsJ));
    mlir::PassManager manager(&context);
    manager.addNestedPass<FormulaFuncOp>(createKeopsMoveRows());
    ASSERT_TRUE(mlir::succeeded(manager.run(*module)));
    module->walk([&](mlir::Operation *op) {
      auto type = op->hasTrait<MovesRows>() ? llvm::cast<VecType>(op->getResult(0).getType()) : VecType();
      EXPECT_FALSE(type && type.getIndices() == IndexSet::IJ) << "a value of each pair is left";
    });
    for (unsigned number = 0; number < numResults; ++number) {
      Array after = evaluate(arrays, number, rowsI, rowsJ);
      ASSERT_EQ(after.size(), before[number].size());
      for (size_t row = 0; row < after.size(); ++row)
        for (size_t d = 0; d < after[row].size(); ++d)
          expectNear(after[row][d], before[number][row][d], "result " + std::to_string(number) + " of moved rows");
    }
  }

  /// Between 0.15 and 0.9 and away from 0.5: in the domain of every function, far from each jump.
  Row draw(int64_t dim) {
    Row row;
    for (int64_t d = 0; d < dim; ++d) {
      double x = std::uniform_real_distribution<double>(0.15, 0.65)(random);
      row.push_back(x < 0.4 ? x : x + 0.25);
    }
    return row;
  }
  Array draw(int64_t rows, int64_t dim) {
    Array array;
    for (int64_t row = 0; row < rows; ++row)
      array.push_back(draw(dim));
    return array;
  }

  void checkOp(const std::string &line, int64_t dimA, int64_t dimB);

  mlir::MLIRContext context{mlir::MLIRContext::Threading::DISABLED};
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::mt19937 random{20};
};

//===----------------------------------------------------------------------===//
// Ops
//===----------------------------------------------------------------------===//

/// `line` computes %r from %a and %b; A, B and M in it stand for their types and that of a mask, H for half of A.
struct OpCase {
  std::string line;
  int64_t dimA, dimB;
};

/// Lines that compute %t, constants one after the other, and its type in `type`.
std::string constants(std::initializer_list<double> values, std::string &type) {
  std::string lines, name;
  for (double value : values) {
    size_t count = lines.empty() ? 1 : std::stoul(type.substr(11)) + 1;
    std::string number = "%n" + std::to_string(count), one = vec(1, "");
    lines += number + " = keops.constant " + std::to_string(value) + " : " + one + "\n";
    std::string whole = count == values.size() ? "%t" : "%t" + std::to_string(count);
    if (count > 1)
      lines += whole + " = keops.concat " + name + ", " + number + " : " + type + ", " + one + "\n";
    name = count == 1 ? number : whole;
    type = vec(count, "");
  }
  return lines;
}

/// Cases of ops that text cannot be made up for: those with attributes or masks.
std::vector<OpCase> casesOf(llvm::StringRef name) {
  if (name == "keops.ipow")
    return {{"%r = keops.ipow %a, -2 : A", 3, 1}, {"%r = keops.ipow %a, -1 : A", 3, 1},
            {"%r = keops.ipow %a, 0 : A", 3, 1},  {"%r = keops.ipow %a, 1 : A", 3, 1},
            {"%r = keops.ipow %a, 2 : A", 3, 1},  {"%r = keops.ipow %a, 5 : A", 3, 1}};
  if (name == "keops.select") {
    std::string line = "%m = keops.cmp lt %a, %b : A, B\n %s = keops.sin %a : A\n";
    return {{line + "%r = keops.select %m, %s, %b : M, A, B", 3, 3},
            {line + "%r = keops.select %m, %s, %b : M, A, B", 3, 1},
            {line + "%r = keops.select %m, %b, %s : M, B, A", 1, 3}};
  }
  if (name == "keops.broadcast")
    return {{"%r = keops.broadcast %a to 3 : A", 1, 1}};
  if (name == "keops.slice")
    return {{"%r = keops.slice %a[1, 2] : A", 4, 1}, {"%r = keops.slice %a[0, 1] : A", 4, 1}};
  if (name == "keops.pad")
    return {{"%r = keops.pad %a at 1 in 4 : A", 2, 1}, {"%r = keops.pad %a at 0 in 2 : A", 1, 1}};
  if (name == "keops.fold")
    return {{"%r = keops.fold #keops.sum %a : A", 3, 1},
            {"%r = keops.fold #keops.logsumexp %a : A", 3, 1},
            {"%r = keops.fold #keops.extremum<min> %a : A", 3, 1},
            {"%r = keops.fold #keops.extremum<max> %a : A", 3, 1},
            {"%r = keops.fold #keops.extremum<argmax> %a : A", 3, 1},
            {"%r = keops.fold #keops.k_smallest<1, kmin> %a : A", 3, 1},
            {"%r = keops.fold #keops.k_smallest<1, argkmin> %a : A", 3, 1}};
  if (name == "keops.tensordot")
    return {{"%r = keops.tensordot %a [2, 3] by [1], %b [3] by [0] permute [0] : A, B", 6, 3},
            {"%r = keops.tensordot %a [2] by [0], %b [2, 3] by [0] permute [0] : A, B", 2, 6},
            {"%r = keops.tensordot %a [2] by [], %b [3] by [] permute [1, 0] : A, B", 2, 3},
            // Two contracted axes in another order on either side, and results that are moved around.
            {"%r = keops.tensordot %a [2, 3, 2] by [2, 0], %b [2, 2, 2] by [0, 2] permute [1, 0] : A, B", 12, 8},
            {"%r = keops.tensordot %a [2, 3, 2] by [1], %b [2, 3] by [1] permute [2, 0, 1] : A, B", 12, 6},
            {"%r = keops.tensordot %a [2, 2] by [0, 1], %b [2, 2] by [1, 0] permute [] : A, B", 4, 4}};
  if (name == "keops.interleave")
    return {{"%r = keops.interleave %a, %b : A, B", 2, 2}, {"%r = keops.interleave %a, %a : A, A", 1, 1}};
  if (name == "keops.deinterleave")
    return {{"%r = keops.deinterleave %a[0] : A", 4, 1},
            {"%r = keops.deinterleave %a[1] : A", 4, 1},
            // A complex product.
            {"%x = keops.deinterleave %a[0] : A\n%y = keops.deinterleave %a[1] : A\n"
             "%s = keops.deinterleave %b[0] : B\n%t = keops.deinterleave %b[1] : B\n"
             "%1 = keops.mul %x, %s : H, H\n%2 = keops.mul %y, %t : H, H\n%3 = keops.sub %1, %2 : H, H\n"
             "%4 = keops.mul %x, %t : H, H\n%5 = keops.mul %y, %s : H, H\n%6 = keops.add %4, %5 : H, H\n"
             "%r = keops.interleave %3, %6 : H, H",
             4, 4}};
  if (name == "keops.index")
    return {{"%n = keops.index : !keops.vec<1xf64, i>\n%r = keops.mul %a, %n : A, !keops.vec<1xf64, i>", 3, 1}};
  if (name == "keops.cmp" || name == "keops.indicator")
    return {{"%m = keops.cmp lt %a, %b : A, B\n %r = keops.indicator %m as f64 : M", 3, 3}};
  if (name == "keops.constant")
    return {{"%c = keops.constant 2.0 : !keops.vec<1xf64>\n %r = keops.mul %a, %c : A, !keops.vec<1xf64>", 3, 1}};
  if (name == "keops.one_hot")
    return {{"%r = keops.one_hot %a in 3 : A", 1, 1}};
  if (name == "keops.polygamma")
    return {{"%r = keops.polygamma 0 %a : A", 3, 1},
            {"%m = keops.neg %a : A\n%r = keops.polygamma 0 %m : A", 3, 1},
            {"%m = keops.neg %a : A\n%r = keops.polygamma 3 %m : A", 1, 1}};
  if (name == "keops.bspline") {
    // No point that is drawn is near a knot; the second case has a knot twice, and three times at an end.
    std::string type, even = constants({-0.4, 0.05, 0.5, 0.95, 1.4, 1.9}, type), uneven, result;
    std::vector<OpCase> cases;
    for (const char *degree : {"0", "1", "2", "3"})
      cases.push_back({even + "%r = keops.bspline %t at %a degree " + degree + " : " + type + ", A", 1, 1});
    uneven = constants({0, 0, 0, 0.5, 0.5, 1, 1.5, 2}, type);
    cases.push_back({uneven + "%r = keops.bspline %t at %a degree 2 : " + type + ", A", 1, 1});
    return cases;
  }
  if (name == "keops.recur")
    return {{"%r = keops.recur %a by %b lags [1] : A, B", 4, 4},
            {"%r = keops.recur %a by %b, %a lags [3, 1] : A, B, A", 4, 4},
            {"%r = keops.recur %a by %b, %b lags [2, 7] : A, B, B", 3, 3}};
  if (name == "keops.soft_step")
    return {{"%r = keops.soft_step diagonal %a in 3 smooth %b : A, B", 6, 1},
            {"%r = keops.soft_step down %a in 2 smooth %b : A, B", 6, 1},
            {"%r = keops.soft_step right %a in 1 smooth %b : A, B", 3, 1},
            {"%r = keops.soft_step right %a in 3 smooth %b : A, B", 9, 1}};
  if (name == "keops.soft_dtw")
    return {
        {"%g = keops.slice %b[0, 1] : B\n%r = keops.soft_dtw %a, %b smooth %g : A, B, !keops.vec<1xf64, i>", 3, 2},
        {"%r = keops.soft_dtw %b, %a smooth %b : B, A, B", 4, 1},
        {"%g = keops.constant 0.5 : !keops.vec<1xf64>\n%r = keops.soft_dtw %a, %b smooth %g : A, B, !keops.vec<1xf64>",
         3, 4}};
  return {};
}

void DifferentiateTest::checkOp(const std::string &line, int64_t dimA, int64_t dimB) {
  SCOPED_TRACE(line + " with dimensions " + std::to_string(dimA) + " and " + std::to_string(dimB));
  std::string A = vec(dimA, "i"), B = vec(dimB, "i");
  std::string M = "!keops.vec<" + std::to_string(std::max(dimA, dimB)) + "xi1, i>", H = vec(dimA / 2, "i");
  std::string body;
  for (char c : line)
    body += c == 'A' ? A : c == 'B' ? B : c == 'M' ? M : c == 'H' ? H : std::string(1, c);
  std::string arguments = "%a: " + A + ", %b: " + B;
  auto parsed = mlir::parseSourceString<mlir::ModuleOp>(
      "keops.formula @f(" + arguments + ") {\n" + body + "\nkeops.return\n}\n", mlir::ParserConfig(&context));
  ASSERT_TRUE(parsed);
  mlir::Block &block = (*parsed->getOps<FormulaFuncOp>().begin()).getBody().front();
  mlir::Operation *last = block.getTerminator()->getPrevNode();
  auto type = llvm::cast<VecType>(last->getResult(0).getType());
  int64_t dimR = type.getDim();
  std::string R = vec(dimR, type.getIndices() == IndexSet::None ? "" : "i"), E = vec(dimR, "i");

  // Results: r, ∂a and ∂b of ⟨e, r⟩, tangents for u and w, and derivatives of ⟨u, ∂a⟩ and ⟨w, ∂b⟩.
  load("keops.formula @f(" + arguments + ", %e: " + E + ", %u: " + A + ", %w: " + B + ") -> (" + R + ", " + A + ", " +
       B + ", " + E + ", " + E + ", " + A + ", " + B + ", " + B + ") {\n" + body +
       "\n%ga = keops.grad %r wrt %a cotangent %e : " + R + ", " + A + ", " + E +
       "\n%gb = keops.grad %r wrt %b cotangent %e : " + R + ", " + B + ", " + E +
       "\n%ta = keops.diff %r wrt %a tangent %u : " + R + ", " + A + ", " + A +
       "\n%tb = keops.diff %r wrt %b tangent %w : " + R + ", " + B + ", " + B +
       "\n%haa = keops.grad %ga wrt %a cotangent %u : " + A + ", " + A + ", " + A +
       "\n%hab = keops.grad %ga wrt %b cotangent %u : " + A + ", " + B + ", " + A +
       "\n%hbb = keops.grad %gb wrt %b cotangent %w : " + B + ", " + B + ", " + B +
       "\nkeops.return %r, %ga, %gb, %ta, %tb, %haa, %hab, %hbb : " + R + ", " + A + ", " + B + ", " + E + ", " + E +
       ", " + A + ", " + B + ", " + B + "\n}\n");
  if (HasFatalFailure())
    return;
  for (int repetition = 0; repetition < 3; ++repetition) {
    std::vector<Array> arrays = {draw(1, dimA), draw(1, dimB), draw(1, dimR), draw(1, dimA), draw(1, dimB)};
    checkGradient(arrays, 0, 1, 0, arrays[2], "adjoint of a");
    checkGradient(arrays, 1, 2, 0, arrays[2], "adjoint of b");
    checkGradient(arrays, 0, 5, 1, arrays[3], "derivative in a of the adjoint of a");
    checkGradient(arrays, 1, 6, 1, arrays[3], "derivative in b of the adjoint of a");
    checkGradient(arrays, 1, 7, 2, arrays[4], "derivative in b of the adjoint of b");
    // The tangent is the transpose of the adjoint.
    Array ta = evaluate(arrays, 3), tb = evaluate(arrays, 4);
    ASSERT_EQ(ta[0].size(), static_cast<size_t>(dimR));
    ASSERT_EQ(tb[0].size(), static_cast<size_t>(dimR));
    expectNear(dot(ta, arrays[2]), dot(arrays[3], evaluate(arrays, 1)), "<Ju, e> in a");
    expectNear(dot(tb, arrays[2]), dot(arrays[4], evaluate(arrays, 2)), "<Ju, e> in b");
  }
}

TEST_F(DifferentiateTest, EveryOp) {
  size_t count = 0;
  for (mlir::RegisteredOperationName name : context.getRegisteredOperations()) {
    if (name.getDialectNamespace() != "keops" || !name.hasInterface<FormulaOpInterface>())
      continue;
    ++count;
    std::string op = name.getStringRef().str();
    EXPECT_NE(name.hasInterface<DifferentiableOpInterface>(), name.hasTrait<ZeroDerivative>())
        << op << " needs a derivative, or the trait ZeroDerivative, and not both";
    std::vector<OpCase> cases = casesOf(op);
    if (name.getAttributeNames().empty() && cases.empty()) {
      if (name.hasTrait<mlir::OpTrait::OneOperand>())
        cases = {{"%r = " + op + " %a : A", 3, 1}, {"%r = " + op + " %a : A", 1, 1}};
      else if (op == "keops.concat")
        cases = {{"%r = keops.concat %a, %b : A, B", 2, 3}, {"%r = keops.concat %a, %a : A, A", 2, 1}};
      else
        cases = {{"%r = " + op + " %a, %b : A, B", 3, 3},
                 {"%r = " + op + " %a, %b : A, B", 3, 1},
                 {"%r = " + op + " %a, %b : A, B", 1, 3},
                 {"%r = " + op + " %a, %a : A, A", 2, 1}};
    }
    EXPECT_FALSE(cases.empty()) << op << " has no case in casesOf()";
    for (const OpCase &test : cases)
      checkOp(test.line, test.dimA, test.dimB);
  }
  EXPECT_GT(count, 0u);
}

TEST_F(DifferentiateTest, ThirdOrder) {
  std::string T = vec(1, "i");
  load("keops.formula @f(%x: " + T + ") -> " + T + " {\n%f = keops.sin %x : " + T +
       "\n%o = keops.constant 1.0 : !keops.vec<1xf64>\n%1 = keops.grad %f wrt %x cotangent %o : " + T + ", " + T +
       ", <1xf64>\n%2 = keops.diff %1 wrt %x tangent %o : " + T + ", " + T +
       ", <1xf64>\n%3 = keops.grad %2 wrt %x cotangent %o : " + T + ", " + T + ", <1xf64>\nkeops.return %3 : " + T +
       "\n}\n");
  EXPECT_DOUBLE_EQ(evaluate({{{0.3}}}, 0)[0][0], -std::cos(0.3));
}

//===----------------------------------------------------------------------===//
// Kinks and poles, where the language decides
//===----------------------------------------------------------------------===//

TEST_F(DifferentiateTest, KinksAndPoles) {
  struct Case {
    const char *line;
    double at, slope;
  };
  const Case cases[] = {
      {"%r = keops.abs %a : A", 0, 0},
      {"%r = keops.abs %a : A", -2, -1},
      {"%r = keops.abs %a : A", nan, 0},
      {"%r = keops.sqrt %a : A", 0, 0},
      {"%r = keops.sqrt %a : A", -1, nan},
      {"%r = keops.rsqrt %a : A", 0, 0},
      {"%r = keops.asin %a : A", 1, 0},
      {"%r = keops.acos %a : A", -1, 0},
      {"%r = keops.sinc %a : A", 0, 0},
      {"%r = keops.xlogx %a : A", 0, -inf},
      {"%r = keops.ipow %a, 0 : A", nan, 0},
      {"%r = keops.floor %a : A", 2, 0},
      {"%r = keops.sigmoid %a : A", 0, 0.25},
      {"%r = keops.sigmoid %a : A", -1000, 0},
      {"%r = keops.sigmoid %a : A", 50, std::exp(-50)},
      {"%r = keops.sigmoid %a : A", 1000, 0},
      {"%r = keops.softplus %a : A", 0, 0.5},
      {"%r = keops.softplus %a : A", 1000, 1},
      {"%r = keops.softplus %a : A", -1000, 0},
      {"%r = keops.lgamma %a : A", 0.5, -1.9635100260214235},
      {"%r = keops.lgamma %a : A", 0, nan},
      {"%r = keops.lgamma %a : A", -2, nan},
      {"%r = keops.lgamma %a : A", inf, inf},
      {"%r = keops.polygamma 0 %a : A", 1, M_PI * M_PI / 6},
  };
  for (const Case &test : cases) {
    std::string T = vec(1, ""), body;
    for (const char *c = test.line; *c; ++c)
      body += *c == 'A' ? T : std::string(1, *c);
    load("keops.formula @f(%a: " + T + ") -> (" + T + ", " + T + ") {\n" + body + "\n%o = keops.constant 1.0 : " + T +
         "\n%g = keops.grad %r wrt %a cotangent %o : " + T + ", " + T + ", " + T +
         "\n%t = keops.diff %r wrt %a tangent %o : " + T + ", " + T + ", " + T + "\nkeops.return %g, %t : " + T + ", " +
         T + "\n}\n");
    for (unsigned number : {0u, 1u}) {
      double got = evaluate({{{test.at}}}, number)[0][0];
      if (std::isnan(test.slope))
        EXPECT_TRUE(std::isnan(got)) << test.line << " at " << test.at << " has slope " << got;
      else
        EXPECT_DOUBLE_EQ(got, test.slope) << test.line << " at " << test.at;
    }
  }
}

TEST_F(DifferentiateTest, FirstExtremumGetsAll) {
  for (auto [kind, expected] : {std::pair<std::string, Row>("min", {0, 1, 0, 0}), {"max", {1, 0, 0, 0}}}) {
    std::string T = vec(4, ""), S = vec(1, "");
    load("keops.formula @f(%a: " + T + ") -> " + T + " {\n%r = keops.fold #keops.extremum<" + kind + "> %a : " + T +
         "\n%o = keops.constant 1.0 : " + S + "\n%g = keops.grad %r wrt %a cotangent %o : " + S + ", " + T + ", " + S +
         "\nkeops.return %g : " + T + "\n}\n");
    EXPECT_EQ(evaluate({{{7, -1, -1, 7}}}, 0)[0], expected) << kind;
  }
}

/// IfElse(c, SumT(Sum(c), 3), 2c): the cotangent is masked before it is summed.
TEST_F(DifferentiateTest, ChoiceMasksTheCotangentFirst) {
  std::string T = vec(3, ""), S = vec(1, "");
  load("keops.formula @f(%c: " + T + ", %e: " + T + ") -> " + T + " {\n%z = keops.constant 0.0 : " + S +
       "\n%m = keops.cmp le %z, %c : " + S + ", " + T + "\n%s = keops.fold #keops.sum %c : " + T +
       "\n%a = keops.broadcast %s to 3 : " + S + "\n%b = keops.add %c, %c : " + T + ", " + T +
       "\n%r = keops.select %m, %a, %b : !keops.vec<3xi1>, " + T + ", " + T +
       "\n%g = keops.grad %r wrt %c cotangent %e : " + T + ", " + T + ", " + T + "\nkeops.return %g : " + T + "\n}\n");
  EXPECT_EQ(evaluate({{{1, -1, 2}}, {{1, 10, 100}}}, 0)[0], (Row{101, 121, 101}));
}

/// The slope of sinc next to 0 and its derivatives at 0 are numbers.
TEST_F(DifferentiateTest, SincIsSmoothAtZero) {
  std::string T = vec(1, "");
  load("keops.formula @f(%x: " + T + ") -> (" + T + ", " + T + ") {\n%f = keops.sinc %x : " + T +
       "\n%o = keops.constant 1.0 : " + T + "\n%1 = keops.grad %f wrt %x cotangent %o : " + T + ", " + T + ", " + T +
       "\n%2 = keops.grad %1 wrt %x cotangent %o : " + T + ", " + T + ", " + T + "\nkeops.return %1, %2 : " + T + ", " +
       T + "\n}\n");
  EXPECT_NEAR(evaluate({{{1e-3}}}, 0)[0][0], -1e-3 / 3, 1e-9);
  EXPECT_EQ(evaluate({{{0}}}, 1)[0][0], 0);
}

//===----------------------------------------------------------------------===//
// Traces
//===----------------------------------------------------------------------===//

/// By scalars that components share, by one tangent for each component, and of what does not vary at all.
TEST_F(DifferentiateTest, Traces) {
  const char *const bodies[] = {
      // A scalar in a product, and one made of a vector that another scalar is in.
      "%s = keops.fold #keops.sum %x : V\n%a = keops.mul %x, %s : V, S\n%e = keops.exp %a : V\n"
      "%t = keops.fold #keops.logsumexp %e : V\n%b = keops.div %e, %t : V, S\n%r = keops.sub %b, %s : V, S\n",
      // The same scalar on both sides of an op, and as a replica.
      "%m = keops.fold #keops.extremum<max> %x : V\n%b = keops.broadcast %m to 4 : S\n%q = keops.powf %m, %m : S, S\n"
      "%a = keops.atan2 %b, %x : V, V\n%r = keops.mul %a, %q : V, S\n",
      // A choice.
      "%s = keops.fold #keops.sum %x : V\n%c = keops.cmp lt %x, %w : V, V\n%e = keops.sin %x : V\n"
      "%r = keops.select %c, %s, %e : !keops.vec<4xi1>, S, V\n",
      // Components that are made of each other.
      "%a = keops.mul %x, %x : V, V\n%b = keops.reverse %a : V\n%r = keops.mul %b, %x : V, V\n",
      "%a = keops.slice %x[1, 3] : V\n%b = keops.slice %x[0, 1] : V\n%c = keops.exp %a : !keops.vec<3xf64>\n"
      "%d = keops.concat %b, %c : S, !keops.vec<3xf64>\n%r = keops.mul %d, %x : V, V\n",
      "%r = keops.exp %w : V\n"};
  for (std::string body : bodies)
    for (std::string weights : {"w", "o"}) {
      std::string V = vec(4, ""), S = vec(1, "");
      std::string text = "keops.formula @f(%x: V, %w: V, %o: S) -> (V, S) {\n" + body +
                         "%t9 = keops.trace %r wrt %x weights %" + weights + " : V, V, " +
                         (weights == "w" ? "V" : "S") + "\nkeops.return %r, %t9 : V, S\n}\n";
      std::string expanded;
      for (char c : text)
        expanded += c == 'V' ? V : c == 'S' ? S : std::string(1, c);
      load(expanded);
      std::vector<Array> arrays = {{draw(4)}, {draw(4)}, {{2}}};
      double expected = 0;
      for (unsigned k = 0; k < 4; ++k) {
        Row one(4, 0.0);
        one[k] = weights == "w" ? arrays[1][0][k] : 2;
        expected += difference(arrays, 0, 0, k, 0, {one});
      }
      expectNear(evaluate(arrays, 1)[0][0], expected, body + weights);
    }
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

/// `terms` is what follows the attribute: its operands %f (dimension 1) and %g (dimension 2).
struct ReductionCase {
  const char *reduction, *terms, *types;
  int64_t dim;
};

constexpr ReductionCase kReductions[] = {
    {"#keops.sum", "%f", "!keops.vec<1xf64, ij>", 1},
    {"#keops.sum", "%g", "!keops.vec<2xf64, ij>", 2},
    // What does not depend on the reduced index counts once for each of its values.
    {"#keops.sum", "%h", "!keops.vec<2xf64, K>", 2},
    {"#keops.logsumexp", "%f", "!keops.vec<1xf64, ij>", 1},
    {"#keops.logsumexp", "%f, %q", "!keops.vec<1xf64, ij>, !keops.vec<1xf64, ij>", 1},
    {"#keops.logsumexp", "%f, %g", "!keops.vec<1xf64, ij>, !keops.vec<2xf64, ij>", 2},
    {"#keops.softmax", "%f, %q", "!keops.vec<1xf64, ij>, !keops.vec<1xf64, ij>", 1},
    {"#keops.softmax", "%f, %g", "!keops.vec<1xf64, ij>, !keops.vec<2xf64, ij>", 2},
    {"#keops.extremum<min>", "%f", "!keops.vec<1xf64, ij>", 1},
    // Each component is smallest or largest somewhere else.
    {"#keops.extremum<max>", "%g", "!keops.vec<2xf64, ij>", 2},
    {"#keops.extremum<min>", "%h", "!keops.vec<2xf64, K>", 2},
    {"#keops.k_smallest<2, kmin>", "%f", "!keops.vec<1xf64, ij>", 2},
    {"#keops.k_smallest<2, kmin>", "%g", "!keops.vec<2xf64, ij>", 4},
};

TEST_F(DifferentiateTest, EveryReduction) {
  constexpr int64_t rowsI = 3, rowsJ = 4;
  std::string X = vec(2, "i"), Y = vec(2, "j"), P = vec(1, ""), PAIR = vec(2, "ij"), ONE = vec(1, "ij");
  for (const ReductionCase &test : kReductions)
    for (std::string over : {"j", "i"}) {
      std::string kept = over == "j" ? "i" : "j", types;
      for (const char *c = test.types; *c; ++c)
        types += *c == 'K' ? kept : std::string(1, *c);
      SCOPED_TRACE(std::string(test.reduction) + " of " + test.terms + " over " + over);
      std::string R = vec(test.dim, kept), H = vec(2, kept);
      std::string body = "%d = keops.sub %x, %y : " + X + ", " + Y + "\n%s = keops.mul %d, %d : " + PAIR + ", " + PAIR +
                         "\n%t = keops.fold #keops.sum %s : " + PAIR + "\n%f = keops.mul %t, %p : " + ONE + ", " + P +
                         "\n%w = keops.mul %x, %y : " + X + ", " + Y + "\n%g = keops.mul %w, %p : " + PAIR + ", " + P +
                         "\n%q = keops.slice %g[1, 1] : " + PAIR + "\n%h = keops.mul %" + (kept == "i" ? "x" : "y") +
                         ", %p : " + H + ", " + P + "\n%r = keops.reduce " + test.reduction + " over " + over + " (" +
                         test.terms + ") : (" + types + ") -> " + R + "\n";
      auto total = [&](const std::string &name, const std::string &f, const std::string &F, const std::string &v,
                       const std::string &V, const std::string &e) {
        return name + " = keops.grad total " + f + " wrt " + v + " cotangent " + e + " : " + F + ", " + V + ", " + F +
               "\n";
      };
      load("keops.formula @f(%x: " + X + ", %y: " + Y + ", %p: " + P + ", %e: " + R + ", %u: " + X + ", %v: " + Y +
           ", %z: " + P + ") -> (" + R + ", " + X + ", " + Y + ", " + P + ", " + R + ", " + R + ", " + R + ", " + Y +
           ", " + X + ") {\n" + body + total("%gx", "%r", R, "%x", X, "%e") + total("%gy", "%r", R, "%y", Y, "%e") +
           total("%gp", "%r", R, "%p", P, "%e") + "%tx = keops.diff %r wrt %x tangent %u : " + R + ", " + X + ", " + X +
           "\n%ty = keops.diff %r wrt %y tangent %v : " + R + ", " + Y + ", " + Y +
           "\n%tp = keops.diff %r wrt %p tangent %z : " + R + ", " + P + ", " + P + "\n" +
           total("%gxy", "%gx", X, "%y", Y, "%u") + total("%gyx", "%gy", Y, "%x", X, "%v") +
           "keops.return %r, %gx, %gy, %gp, %tx, %ty, %tp, %gxy, %gyx : " + R + ", " + X + ", " + Y + ", " + P + ", " +
           R + ", " + R + ", " + R + ", " + Y + ", " + X + "\n}\n");
      if (HasFatalFailure())
        return;
      int64_t rows = kept == "i" ? rowsI : rowsJ;
      std::vector<Array> arrays = {draw(rowsI, 2), draw(rowsJ, 2), draw(1, 1), draw(rows, test.dim),
                                   draw(rowsI, 2), draw(rowsJ, 2), draw(1, 1)};
      checkGradient(arrays, 0, 1, 0, arrays[3], "gradient in x", rowsI, rowsJ);
      checkGradient(arrays, 1, 2, 0, arrays[3], "gradient in y", rowsI, rowsJ);
      checkGradient(arrays, 2, 3, 0, arrays[3], "gradient in p", rowsI, rowsJ);
      for (unsigned n : {0u, 1u, 2u})
        expectNear(dot(evaluate(arrays, 4 + n, rowsI, rowsJ), arrays[3]),
                   dot(arrays[4 + n], evaluate(arrays, 1 + n, rowsI, rowsJ)),
                   "<Ju, e> of argument " + std::to_string(n));
      checkGradient(arrays, 1, 7, 1, arrays[4], "gradient in y of the gradient in x", rowsI, rowsJ);
      checkGradient(arrays, 0, 8, 2, arrays[5], "gradient in x of the gradient in y", rowsI, rowsJ);
      checkMovedRows(arrays, 9, rowsI, rowsJ);
    }
}

} // namespace
