//===- Case.cpp - A random formula and everything about its call -------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The numbers are those of keops-run, so that its command line shows the same.
//
//===----------------------------------------------------------------------===//

#include "Case.h"

#include "keops/Frontend/FormulaPrinter.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/STLExtras.h"

#include <map>

using namespace keops;
using namespace keops::fuzz;

std::string fuzz::Argument::name() const {
  const char *stem = variable.category == Category::I ? "x" : variable.category == Category::J ? "y" : "p";
  return stem + std::to_string(variable.position);
}

std::string fuzz::Argument::alias() const { return name() + "=" + variable.str(); }

std::vector<std::string> Case::aliases() const {
  std::vector<std::string> all;
  for (const Argument &argument : arguments)
    all.push_back(argument.alias());
  return all;
}

std::vector<frontend::Declaration> Case::declarations() const {
  std::vector<frontend::Declaration> all;
  for (const Argument &argument : arguments)
    all.push_back({argument.name(), argument.variable, {}});
  return all;
}

std::string Case::text() const {
  frontend::Diagnostic error;
  auto printed = frontend::printFormula(*root, declarations(), error);
  return printed ? *printed : "(" + error.message + ")";
}

int64_t Case::rowsOf(size_t argument) const {
  Category category = arguments[argument].variable.category;
  return category == Category::I ? rowsI : category == Category::J ? rowsJ : 1;
}

int64_t Case::batches() const {
  int64_t count = 1;
  for (int64_t size : batch)
    count *= size;
  return count;
}

double Case::number(size_t argument, int64_t batch, int64_t row, int64_t d) const {
  const Argument &from = arguments[argument];
  int64_t part = from.batched ? batch : 0;
  int64_t place = (part * rowsOf(argument) + row) * from.variable.dim + d;
  double value = run::randomNumber(from.source, seed, from.variable.position, place);
  return type == DType::F32 ? static_cast<double>(static_cast<float>(value)) : value;
}

std::string Case::command() const {
  std::string words = "keops-run '" + text() + "'";
  bool usesI = false, usesJ = false;
  for (const Argument &argument : arguments) {
    words += " '" + argument.alias() + ":" + argument.source.str() + "'";
    usesI |= argument.variable.category == Category::I;
    usesJ |= argument.variable.category == Category::J;
  }
  if (usesI)
    words += " --rows " + std::to_string(rowsI);
  if (usesJ)
    words += " --cols " + std::to_string(rowsJ);
  words += type == DType::F32 ? " --dtype f32" : " --dtype f64";
  if (sums != Sums::Blocks)
    words += sums == Sums::Kahan ? " --sums kahan" : " --sums float64";
  if (target != "host")
    words += " --accurate-math --target " + target;
  return words + " --seed " + std::to_string(seed) + " --no-cache --check";
}

std::string Case::layout() const {
  std::string words;
  auto say = [&](const std::string &what) { words += (words.empty() ? "" : ", ") + what; };
  for (const Argument &argument : arguments)
    if (argument.spread != 1 || argument.gap != 0 || argument.backwards)
      say(argument.name() + " with strides");
  if (!batch.empty()) {
    std::string sizes = "batch axes";
    for (int64_t size : batch)
      sizes += " " + std::to_string(size);
    say(sizes);
  }
  if (!clusters.empty())
    say(std::to_string(clusters.slices.size()) + " clusters of rows");
  return words;
}

//===----------------------------------------------------------------------===//
// Changing formulas
//===----------------------------------------------------------------------===//

ExpressionRef fuzz::rebuild(const ExpressionRef &root,
                            llvm::function_ref<ExpressionRef(const ExpressionRef &)> change) {
  std::map<const frontend::Expression *, ExpressionRef> done;
  std::function<ExpressionRef(const ExpressionRef &)> visit = [&](const ExpressionRef &node) {
    auto [place, isNew] = done.try_emplace(node.get());
    if (!isNew)
      return place->second;
    ExpressionRef result = change(node);
    if (!result) {
      std::vector<frontend::Argument> arguments;
      bool same = true;
      for (const frontend::Argument &argument : node->arguments) {
        if (argument.isList()) {
          arguments.push_back(argument);
          continue;
        }
        ExpressionRef operand = visit(argument.formula());
        same &= operand == argument.formula();
        arguments.emplace_back(operand);
      }
      if (same)
        result = node;
      else if (node->kind == frontend::Expression::Kind::Call)
        result = frontend::makeCall(node->name, std::move(arguments));
      else
        result = frontend::makeReduction(node->name, arguments[0].formula(), node->output, node->k,
                                         arguments.size() > 1 ? arguments[1].formula() : nullptr);
    }
    return done[node.get()] = result;
  };
  return visit(root);
}

int64_t fuzz::reductionsIn(const frontend::Expression &root) {
  int64_t count = 0;
  frontend::forEachNode(
      root, [&](const frontend::Expression &node) { count += node.kind == frontend::Expression::Kind::Reduction; });
  return count;
}

void fuzz::dropUnusedArguments(Case &test) {
  std::vector<bool> used(test.arguments.size(), false);
  frontend::forEachNode(*test.root, [&](const frontend::Expression &node) {
    if (node.kind == frontend::Expression::Kind::Variable)
      used[node.variable.position] = true;
  });
  std::vector<Argument> kept;
  std::vector<ExpressionRef> renamed(used.size());
  for (auto [position, argument] : llvm::enumerate(test.arguments)) {
    if (!used[position])
      continue;
    Argument moved = argument;
    moved.variable.position = static_cast<int64_t>(kept.size());
    renamed[position] = frontend::makeVariable(moved.variable);
    kept.push_back(moved);
  }
  test.root = rebuild(test.root, [&](const ExpressionRef &node) {
    return node->kind == frontend::Expression::Kind::Variable ? renamed[node->variable.position] : nullptr;
  });
  test.arguments = std::move(kept);
  auto isUsed = [&](Category category) {
    return llvm::any_of(test.arguments,
                        [&](const Argument &argument) { return argument.variable.category == category; });
  };
  if (!isUsed(Category::I))
    test.rowsI = 1;
  if (!isUsed(Category::J))
    test.rowsJ = 1;
}
