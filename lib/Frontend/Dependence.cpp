//===- Dependence.cpp - What formulas depend on -------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Which rows a result has must be known before there is any IR: the rows of a
// cotangent that is left out, and whether a formula still wants a reduction. So
// the rule of the dialect's types, that a value depends on what its operands
// depend on, is applied to expressions here.
//
//===----------------------------------------------------------------------===//

#include "Derivatives.h"
#include "keops/Frontend/FormulaParser.h"

#include "llvm/ADT/DenseMap.h"

using namespace keops::frontend;

namespace {
struct Dependence {
  enum : unsigned { I = 1, J = 2, Both = 3 };
  unsigned indices = 0;
  bool reduced = false; ///< holds a reduction
};
} // namespace

static unsigned bitOf(Category category) {
  return category == Category::I ? Dependence::I : category == Category::J ? Dependence::J : 0;
}

/// Of a derivative, by what its formula, its variable and its direction depend on.
static unsigned indicesOfDerivative(llvm::StringRef name, Dependence of, unsigned variable, unsigned direction) {
  if (name.starts_with("Diff"))
    return of.indices | (direction & ~variable);
  bool total = of.reduced && of.indices != Dependence::Both;
  return total ? variable : of.indices | variable | direction;
}

static Dependence dependenceOf(const Expression &root) {
  llvm::DenseMap<const Expression *, Dependence> known;
  forEachNode(root, [&](const Expression &node) {
    Dependence own;
    llvm::SmallVector<Dependence, 4> arguments;
    for (const Argument &argument : node.arguments) {
      arguments.push_back(argument.formula() ? known.lookup(argument.formula().get()) : Dependence());
      own.indices |= arguments.back().indices;
      own.reduced |= arguments.back().reduced;
    }
    if (node.kind == Expression::Kind::Variable)
      own.indices = bitOf(node.variable.category);
    else if (node.kind == Expression::Kind::Reduction)
      own = {bitOf(node.output), true};
    else if (node.isCall("Index_i") || node.isCall("Index_j"))
      own.indices = node.isCall("Index_i") ? Dependence::I : Dependence::J;
    else if (node.kind == Expression::Kind::Call && takesReduction(node.name) && arguments.size() > 1)
      own.indices = indicesOfDerivative(node.name, arguments[0], arguments[1].indices,
                                        arguments.size() > 2 ? arguments[2].indices : 0);
    known[&node] = own;
  });
  return known.lookup(&root);
}

bool keops::frontend::isReduction(const Expression &root) {
  Dependence dependence = dependenceOf(root);
  return dependence.reduced && dependence.indices != Dependence::Both;
}

Category keops::frontend::resultCategory(const Expression &root) {
  unsigned indices = dependenceOf(root).indices;
  return indices == Dependence::J ? Category::J : indices == 0 ? Category::Parameter : Category::I;
}
