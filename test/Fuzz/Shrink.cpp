//===- Shrink.cpp - The smallest case that still fails -----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Greedy: the first smaller case that fails takes the place of the case, until
// none does. Large steps come first. A change need not make sense: what the
// front-end refuses is no smaller case.
//
//===----------------------------------------------------------------------===//

#include "Shrink.h"
#include "Oracle.h"

#include "llvm/ADT/STLExtras.h"

#include <chrono>
#include <set>

using namespace keops;
using namespace keops::fuzz;
using frontend::Expression;

//===----------------------------------------------------------------------===//
// Smaller cases
//===----------------------------------------------------------------------===//

static void addLayouts(const Case &test, std::vector<Case> &smaller) {
  auto with = [&](auto change) {
    smaller.push_back(test);
    change(smaller.back());
  };
  if (!test.batch.empty())
    with([](Case &one) {
      one.batch.clear();
      for (Argument &argument : one.arguments)
        argument.batched = false;
    });
  if (!test.clusters.empty())
    with([](Case &one) { one.clusters = {}; });
  if (!test.layout().empty())
    with([](Case &one) {
      for (Argument &argument : one.arguments) {
        argument.spread = 1;
        argument.gap = 0;
        argument.backwards = false;
      }
    });
  if (test.sums != Sums::Blocks)
    with([](Case &one) { one.sums = Sums::Blocks; });
  // Clusters name rows and columns.
  if (!test.clusters.empty())
    return;
  auto addSizes = [&](int64_t Case::*size) {
    int64_t now = test.*size;
    for (int64_t less : {int64_t(1), now / 2, now - 1})
      if (less > 0 && less < now)
        with([&](Case &one) { one.*size = less; });
  };
  addSizes(&Case::rowsI);
  addSizes(&Case::rowsJ);
}

/// The case with another formula.
static Case withRoot(const Case &test, ExpressionRef root) {
  Case changed = test;
  changed.root = std::move(root);
  dropUnusedArguments(changed);
  return changed;
}

static void addFormulas(const Case &test, std::vector<Case> &smaller) {
  // A derivative gives way to what it is of.
  if (test.root->kind == Expression::Kind::Call)
    smaller.push_back(withRoot(test, test.root->arguments[0].formula()));
  std::vector<const Expression *> nodes;
  frontend::forEachNode(*test.root, [&](const Expression &node) { nodes.push_back(&node); });
  std::reverse(nodes.begin(), nodes.end());
  for (const Expression *node : nodes) {
    bool isReduction = node->kind == Expression::Kind::Reduction;
    if (node->kind != Expression::Kind::Call && !isReduction)
      continue;
    auto replaceBy = [&](const ExpressionRef &other) {
      smaller.push_back(withRoot(test, rebuild(test.root, [&](const ExpressionRef &at) {
                                   return at.get() == node ? other : ExpressionRef();
                                 })));
    };
    if (isReduction) {
      if (node->name != "Sum" || node->arguments.size() > 1)
        replaceBy(frontend::makeReduction("Sum", node->arguments[0].formula(), node->output));
      if (node != test.root.get())
        replaceBy(node->arguments[0].formula());
      continue;
    }
    // By an operand, or by a variable.
    for (const frontend::Argument &argument : node->arguments)
      if (!argument.isList() && argument.formula()->kind != Expression::Kind::Number)
        replaceBy(argument.formula());
    bool plain = llvm::all_of(node->arguments, [](const frontend::Argument &argument) {
      return !argument.isList() && argument.formula()->kind == Expression::Kind::Variable;
    });
    if (!plain)
      for (const Argument &argument : test.arguments)
        replaceBy(frontend::makeVariable(argument.variable));
  }
}

static void addDimensions(const Case &test, std::vector<Case> &smaller) {
  std::set<int64_t> dims;
  for (const Argument &argument : test.arguments)
    dims.insert(argument.variable.dim);
  for (int64_t dim : dims)
    for (int64_t less : {int64_t(1), dim / 2, dim - 1}) {
      if (less < 1 || less >= dim)
        continue;
      Case changed = test;
      for (Argument &argument : changed.arguments)
        if (argument.variable.dim == dim)
          argument.variable.dim = less;
      changed.root = rebuild(test.root, [&](const ExpressionRef &node) {
        return node->kind == Expression::Kind::Variable
                   ? frontend::makeVariable(changed.arguments[node->variable.position].variable)
                   : ExpressionRef();
      });
      smaller.push_back(std::move(changed));
    }
}

//===----------------------------------------------------------------------===//
// The search
//===----------------------------------------------------------------------===//

Case fuzz::shrink(Workshop &workshop, Case test, Verdict &verdict, double seconds) {
  auto start = std::chrono::steady_clock::now();
  auto isLate = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() > seconds;
  };
  bool found = true;
  while (found && !isLate()) {
    found = false;
    std::vector<Case> smaller;
    addLayouts(test, smaller);
    addFormulas(test, smaller);
    addDimensions(test, smaller);
    for (Case &one : smaller) {
      std::string error;
      if (isLate() || one.arguments.empty() || !frontend::isReduction(*one.root) ||
          !Reference(*workshop.context, one, one.root, one.type, Phase::Expanded, error))
        continue;
      Verdict now = judge(workshop, one);
      if (now.kind != Verdict::Mismatch || now.check != verdict.check)
        continue;
      test = std::move(one);
      verdict = now;
      found = true;
      break;
    }
  }
  return test;
}
