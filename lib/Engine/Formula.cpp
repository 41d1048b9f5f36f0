//===- Formula.cpp - Formulas from C++ operators -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Operators make the same expressions as formula text does, so both go through
// one builder and get the same errors.
//
//===----------------------------------------------------------------------===//

#include "ReductionExpression.h"
#include "keops/Frontend/FormulaBuilder.h"
#include "keops/Frontend/FormulaParser.h"
#include "keops/Frontend/FormulaPrinter.h"
#include "keops/Keops.h"

#include "llvm/ADT/STLExtras.h"

using namespace keops;

Formula::Formula(double value) : expression(frontend::makeNumber(value)) {}

Formula Formula::parse(const std::string &text, const std::vector<std::string> &aliases) {
  frontend::Diagnostic error;
  auto program = frontend::parseProgram(text, aliases, error);
  if (!program)
    throw Error(error.render());
  return Formula(program->root);
}

Formula Formula::call(const std::string &name, const std::vector<Formula> &operands,
                      const std::vector<int64_t> &integers) {
  std::vector<frontend::Argument> arguments;
  for (const Formula &operand : operands)
    arguments.emplace_back(operand.expression);
  for (int64_t integer : integers)
    arguments.emplace_back(frontend::makeNumber(static_cast<double>(integer)));
  frontend::ExpressionRef call = frontend::makeCall(name, std::move(arguments));
  const frontend::Vocabulary &known = frontend::knownOperations();
  auto signature = known.find(name);
  if (signature == known.end())
    throw Error("unknown operation '" + name + "'");
  if (auto error = frontend::checkArguments(*call, signature->second))
    throw Error(error->render());
  return Formula(call);
}

std::string Formula::str(const std::vector<std::string> &aliases) const {
  frontend::Diagnostic error;
  auto declarations = frontend::parseAliases(aliases, error);
  if (!declarations)
    throw Error(error.render());
  auto text = frontend::printFormula(*expression, *declarations, error);
  if (!text)
    throw Error(error.render());
  return *text;
}

int64_t Formula::dim() const {
  frontend::Diagnostic error;
  auto dim = frontend::dimensionOf(expression, error);
  if (!dim)
    throw Error(error.render());
  return *dim;
}

bool Formula::isReduction() const { return frontend::isReduction(*expression); }

Over Formula::reducedIndex() const {
  if (!isReduction())
    throw Error("expected a reduction, got a formula");
  return frontend::resultCategory(*expression) == frontend::Category::J ? Over::Rows : Over::Columns;
}

std::vector<std::string> Formula::declarations(const std::vector<std::string> &aliases) const {
  frontend::Diagnostic error;
  auto program = frontend::makeProgram(expression, aliases, error);
  if (!program)
    throw Error(error.render());
  // Aliases take the first positions, in any order.
  std::vector<std::string> all = aliases;
  for (size_t position = aliases.size(); position < program->arguments.size(); ++position)
    all.push_back(program->arguments[position].str());
  return all;
}

static Formula variable(int64_t position, int64_t dim, frontend::Category category) {
  if (position < 0 || position > frontend::maxPosition)
    throw Error("expected the position of an argument between 0 and " + std::to_string(frontend::maxPosition) +
                ", got " + std::to_string(position));
  if (dim < 1 || dim > frontend::maxDim)
    throw Error("expected a dimension of at least 1, got " + std::to_string(dim));
  return Formula(frontend::makeVariable({position, dim, category}));
}

Formula keops::rowVariable(int64_t position, int64_t dim) { return variable(position, dim, frontend::Category::I); }
Formula keops::columnVariable(int64_t position, int64_t dim) { return variable(position, dim, frontend::Category::J); }
Formula keops::parameter(int64_t position, int64_t dim) {
  return variable(position, dim, frontend::Category::Parameter);
}

static Formula apply(const char *symbol, llvm::ArrayRef<frontend::ExpressionRef> operands) {
  std::string why;
  frontend::ExpressionRef result = frontend::applyOperator(symbol, operands, {}, why);
  if (!result)
    throw Error(why);
  return Formula(result);
}

Formula keops::operator+(const Formula &a, const Formula &b) { return apply("+", {a.expression, b.expression}); }
Formula keops::operator-(const Formula &a, const Formula &b) { return apply("-", {a.expression, b.expression}); }
Formula keops::operator*(const Formula &a, const Formula &b) { return apply("*", {a.expression, b.expression}); }
Formula keops::operator/(const Formula &a, const Formula &b) { return apply("/", {a.expression, b.expression}); }
Formula keops::operator-(const Formula &a) { return apply("-", {a.expression}); }
Formula keops::exp(const Formula &a) { return Formula::call("Exp", {a}); }
Formula keops::log(const Formula &a) { return Formula::call("Log", {a}); }
Formula keops::sqrt(const Formula &a) { return Formula::call("Sqrt", {a}); }
Formula keops::sqdist(const Formula &a, const Formula &b) { return Formula::call("SqDist", {a, b}); }
Formula keops::dot(const Formula &a, const Formula &b) { return Formula::call("Scalprod", {a, b}); }
Formula keops::gradient(const Formula &f, const Formula &x, const Formula &e) {
  return Formula::call("Grad", {f, x, e});
}
Formula keops::diff(const Formula &f, const Formula &x, const Formula &u) { return Formula::call("Diff", {f, x, u}); }

Reduction keops::sum(const Formula &formula, Over over) { return {"Sum", formula, over, 0, nullptr, {}}; }
Reduction keops::logsumexp(const Formula &formula, Over over) { return {"LogSumExp", formula, over, 0, nullptr, {}}; }
Reduction keops::argkmin(const Formula &formula, int64_t k, Over over) {
  return {"ArgKMin", formula, over, k, nullptr, {}};
}

//===----------------------------------------------------------------------===//
// Names of operations and reductions
//===----------------------------------------------------------------------===//

std::vector<std::string> keops::allOperations() {
  std::vector<std::string> operations;
  for (const auto &entry : frontend::knownOperations())
    operations.push_back(entry.getKey().str() + "(" + frontend::describeArguments(entry.getValue()) + ")");
  llvm::sort(operations);
  return operations;
}

static ReductionKind kindOf(const frontend::ReductionInfo &info) {
  return {info.name.str(), info.takesK, static_cast<ReductionKind::Weight>(info.weight), info.adds, info.isComputed};
}

std::optional<ReductionKind> keops::findReduction(const std::string &name) {
  auto info = frontend::findReduction(name);
  return info ? std::optional(kindOf(*info)) : std::nullopt;
}

std::vector<ReductionKind> keops::allReductions() {
  std::vector<ReductionKind> kinds;
  for (const frontend::ReductionInfo &info : frontend::allReductions())
    if (info.isComputed)
      kinds.push_back(kindOf(info));
  return kinds;
}

//===----------------------------------------------------------------------===//
// Derivatives of reductions
//===----------------------------------------------------------------------===//

frontend::ExpressionRef keops::expressionOf(const Reduction &reduction) {
  frontend::ExpressionRef root = reduction.formula.expression;
  if (!reduction.name.empty() || !frontend::isReduction(*root)) {
    auto output = reduction.over == Over::Columns ? frontend::Category::I : frontend::Category::J;
    auto info = frontend::findReduction(reduction.name);
    if (!info)
      throw Error("unknown reduction '" + reduction.name + "'");
    root = frontend::makeReduction(info->name, root, output, reduction.k,
                                   reduction.weight ? reduction.weight->expression : nullptr);
    if (auto error = frontend::checkReduction(*root))
      throw Error(error->render());
  }
  for (const Derivative &derivative : reduction.derivatives)
    root = Formula::call(derivative.isTangent ? "Diff" : "Grad",
                         {Formula(root), derivative.variable, derivative.direction})
               .expression;
  return root;
}

Reduction keops::gradient(const Reduction &f, const Formula &x, const Formula &e) {
  Reduction result = f;
  result.derivatives.push_back({x, e, false});
  return result;
}

Reduction keops::diff(const Reduction &f, const Formula &x, const Formula &u) {
  Reduction result = f;
  result.derivatives.push_back({x, u, true});
  return result;
}

Reduction keops::gradient(const Reduction &f, const Formula &x) {
  frontend::ExpressionRef call = Formula::call("Grad", {Formula(expressionOf(f)), x}).expression;
  frontend::Diagnostic error;
  auto program = frontend::makeProgram(call, f.aliases, error);
  if (!program)
    throw Error(error.render());
  frontend::ExpressionRef cotangent =
      frontend::makeCotangent(*call, static_cast<int64_t>(program->arguments.size()), error);
  if (!cotangent)
    throw Error(error.render());
  return gradient(f, x, Formula(cotangent));
}
