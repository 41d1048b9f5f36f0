//===- Expression.cpp - A formula as users write it -------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Nodes, and the two walks everything else is made of: postorder without
// recursion, and numbering, which gives equal trees equal numbers in time linear
// in the number of nodes.
//
//===----------------------------------------------------------------------===//

#include "keops/Frontend/Expression.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringMap.h"

#include <atomic>

using namespace keops::frontend;

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

llvm::StringRef keops::frontend::keywordOf(Category category) {
  switch (category) {
  case Category::I:
    return "Vi";
  case Category::J:
    return "Vj";
  case Category::Parameter:
    return "Pm";
  }
  return "";
}

std::string Variable::str() const {
  return keywordOf(category).str() + "(" + std::to_string(position) + "," + std::to_string(dim) + ")";
}

const ExpressionRef &Argument::formula() const {
  static const ExpressionRef none;
  return isList() ? none : std::get<0>(value);
}

std::optional<int64_t> Argument::integer() const {
  const ExpressionRef &expression = formula();
  if (!expression || !expression->isNumber() || !expression->number.isInteger())
    return std::nullopt;
  return expression->number.numerator;
}

/// Moves the formulas among `arguments` to `orphans`.
static void takeFormulas(std::vector<Argument> &arguments, llvm::SmallVectorImpl<ExpressionRef> &orphans) {
  for (Argument &argument : arguments)
    if (auto *formula = std::get_if<ExpressionRef>(&argument.value))
      orphans.push_back(std::move(*formula));
}

Expression::~Expression() {
  // A plain destructor would recurse once per level of the formula. Instead, a
  // node that is about to die with this one gives up its operands first.
  llvm::SmallVector<ExpressionRef, 8> orphans;
  takeFormulas(arguments, orphans);
  while (!orphans.empty()) {
    ExpressionRef orphan = orphans.pop_back_val();
    if (orphan.use_count() != 1)
      continue;
    // Nobody else can see a node whose only owner is this function, and what
    // other owners read before they let go happened before this.
    std::atomic_thread_fence(std::memory_order_acquire);
    takeFormulas(const_cast<Expression &>(*orphan).arguments, orphans);
  }
}

ExpressionRef keops::frontend::makeNumber(const Number &number, SourceRange where) {
  auto node = std::make_shared<Expression>();
  node->kind = Expression::Kind::Number;
  node->number = number;
  node->where = std::move(where);
  return node;
}

ExpressionRef keops::frontend::makeNumber(double value) { return makeNumber(Number::of(value)); }

ExpressionRef keops::frontend::makeVariable(const Variable &variable, SourceRange where) {
  auto node = std::make_shared<Expression>();
  node->kind = Expression::Kind::Variable;
  node->variable = variable;
  node->where = std::move(where);
  return node;
}

ExpressionRef keops::frontend::makeCall(llvm::StringRef name, std::vector<Argument> arguments, SourceRange where) {
  auto node = std::make_shared<Expression>();
  node->kind = Expression::Kind::Call;
  node->name = name.str();
  node->arguments = std::move(arguments);
  node->where = std::move(where);
  return node;
}

ExpressionRef keops::frontend::makeReduction(llvm::StringRef name, ExpressionRef formula, Category output, int64_t k,
                                             ExpressionRef weight, SourceRange where) {
  auto node = std::make_shared<Expression>();
  node->kind = Expression::Kind::Reduction;
  node->name = name.str();
  node->arguments.emplace_back(std::move(formula));
  if (weight)
    node->arguments.emplace_back(std::move(weight));
  node->output = output;
  node->k = k;
  node->where = std::move(where);
  return node;
}

//===----------------------------------------------------------------------===//
// Walks
//===----------------------------------------------------------------------===//

void keops::frontend::forEachNode(const Expression &root, llvm::function_ref<void(const Expression &)> visit) {
  struct Frame {
    const Expression *node;
    size_t next;
  };
  llvm::DenseSet<const Expression *> seen;
  llvm::SmallVector<Frame, 32> stack;
  seen.insert(&root);
  stack.push_back({&root, 0});
  while (!stack.empty()) {
    Frame &top = stack.back();
    if (top.next == top.node->arguments.size()) {
      visit(*top.node);
      stack.pop_back();
      continue;
    }
    const Expression *operand = top.node->arguments[top.next++].formula().get();
    if (operand && seen.insert(operand).second)
      stack.push_back({operand, 0});
  }
}

namespace {
/// Numbers nodes so that two nodes have the same number exactly if their trees
/// are equal. A node's key lists its own contents and its operands' numbers.
class Numbering {
public:
  size_t operator()(const Expression &root) {
    forEachNode(root, [&](const Expression &node) {
      numbers[&node] = keys.try_emplace(keyOf(node), keys.size()).first->second;
    });
    return numbers[&root];
  }

private:
  template <typename T>
  static void append(std::string &key, const T &part) {
    key.append(reinterpret_cast<const char *>(&part), sizeof part);
  }

  std::string keyOf(const Expression &node) {
    std::string key;
    append(key, node.kind);
    switch (node.kind) {
    case Expression::Kind::Number:
      append(key, node.number.numerator);
      append(key, node.number.denominator);
      if (!node.number.isExact())
        append(key, node.number.value);
      return key;
    case Expression::Kind::Variable:
      append(key, node.variable.position);
      append(key, node.variable.dim);
      append(key, node.variable.category);
      return key;
    case Expression::Kind::Reduction:
      append(key, node.output);
      append(key, node.k);
      break;
    case Expression::Kind::Call:
      break;
    }
    append(key, node.name.size());
    key += node.name;
    for (const Argument &argument : node.arguments) {
      append(key, argument.isList());
      if (!argument.isList()) {
        append(key, numbers[argument.formula().get()]);
        continue;
      }
      append(key, argument.list().size());
      for (int64_t integer : argument.list())
        append(key, integer);
    }
    return key;
  }

  llvm::DenseMap<const Expression *, size_t> numbers;
  llvm::StringMap<size_t> keys;
};
} // namespace

bool keops::frontend::structurallyEqual(const Expression &a, const Expression &b) {
  Numbering numbering;
  size_t numberOfA = numbering(a);
  return numberOfA == numbering(b);
}
