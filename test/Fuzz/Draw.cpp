//===- Draw.cpp - Random cases -----------------------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Nothing is known of an operation but its name and the kinds of its arguments.
// Operands of random dimensions and random integers are tried until the
// front-end accepts them and the interpreter finds the values on a few pairs
// finite, moderate and certain. So an operation is fuzzed from the moment that
// the front-end knows its name.
//
//===----------------------------------------------------------------------===//

#include "Draw.h"
#include "Oracle.h"

#include "keops/Frontend/FormulaBuilder.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cmath>
#include <map>

using namespace keops;
using namespace keops::fuzz;

//===----------------------------------------------------------------------===//
// The tables
//===----------------------------------------------------------------------===//

const std::vector<std::string> &fuzz::operations() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const auto &entry : frontend::knownOperations())
      all.push_back(entry.getKey().str());
    llvm::sort(all);
    return all;
  }();
  return names;
}

/// `name` of `formula`, with what else it must have.
static ExpressionRef reduce(const std::string &name, ExpressionRef formula, Category output, int64_t k,
                            ExpressionRef weight) {
  auto info = *frontend::findReduction(name);
  return frontend::makeReduction(name, std::move(formula), output, info.takesK ? k : 0,
                                 info.weight == frontend::ReductionInfo::Weight::None ? nullptr : std::move(weight));
}

std::vector<std::string> fuzz::reductions() {
  std::vector<std::string> names;
  for (const frontend::ReductionInfo &info : frontend::allReductions())
    if (info.isComputed)
      names.push_back(info.name.str());
  llvm::sort(names);
  return names;
}

//===----------------------------------------------------------------------===//
// Formulas
//===----------------------------------------------------------------------===//

namespace {

class Drawer {
public:
  Drawer(mlir::MLIRContext &context, uint64_t seed, const std::string &target) : context(context), random(seed) {
    test.seed = seed & 0xffff;
    test.target = target;
  }

  /// False if `operation` did not come to mean anything.
  bool draw(const std::string &operation, const std::string &reduction, DType type);
  Case test;

private:
  struct Node {
    ExpressionRef formula;
    int64_t dim;
  };

  bool isSimulated() const { return test.target != "host"; }
  int64_t drawDim();
  run::RandomSource drawSource();
  Node leaf(std::optional<int64_t> dim = std::nullopt);
  Node operand();
  Node reduced(const Node &node);
  std::vector<int64_t> drawList(int64_t dim);
  std::optional<frontend::Argument> drawArgument(char kind, std::vector<Node> &operands, int64_t list);
  bool apply(const std::string &name);
  std::optional<int64_t> meaning(const ExpressionRef &formula);
  bool drawReduction(const std::string &name);
  void drawSizes();
  void drawLayout();
  void drawClusters();
  bool takesPart(const std::string &operation);
  bool meansSomething();

  mlir::MLIRContext &context;
  Random random;
  int64_t usualDim = 1, otherDim = 1;
  bool exact = false;
  std::vector<Node> nodes; ///< results of operations
  /// Calls that are known not to fit, by name, dimensions and integers.
  std::map<std::string, bool> refused;
};

} // namespace

int64_t Drawer::drawDim() {
  constexpr int64_t most = 400;
  switch (random.below(10)) {
  case 0:
  case 1:
  case 2:
    return 1;
  case 3:
    return otherDim;
  case 4: {
    // What matrices, complex numbers and knots want.
    int64_t dim = random.pick({2, 3, 4, 6, 8, 9, usualDim * usualDim, usualDim * otherDim, 2 * usualDim, usualDim + 2});
    return std::min(dim, most);
  }
  default:
    return usualDim;
  }
}

run::RandomSource Drawer::drawSource() {
  using Kind = run::RandomSource::Kind;
  if (exact)
    return random.pick<std::vector<run::RandomSource>>(
        {{Kind::Dyadic, -2, 2}, {Kind::Dyadic, 0.25, 2}, {Kind::Dyadic, -1, 4}});
  return random.pick<std::vector<run::RandomSource>>({{Kind::Normal, 0, 1},
                                                      {Kind::Uniform, -1, 1},
                                                      {Kind::Uniform, -3, 3},
                                                      {Kind::Uniform, 0.2, 0.9},
                                                      {Kind::Uniform, 0.5, 3},
                                                      {Kind::Dyadic, -2, 2}});
}

/// A variable, old or new, or rarely a number.
Drawer::Node Drawer::leaf(std::optional<int64_t> dim) {
  constexpr size_t mostArguments = 8;
  if (!dim && random.chance(0.07)) {
    double number = random.pick<std::vector<double>>({-1, 0.5, 1, 2, 3, 0.1});
    return {frontend::makeNumber(number), 1};
  }
  int64_t wanted = dim ? *dim : drawDim();
  std::vector<size_t> known;
  for (auto [n, argument] : llvm::enumerate(test.arguments))
    if (argument.variable.dim == wanted)
      known.push_back(n);
  bool reuse = !known.empty() && (test.arguments.size() >= mostArguments || random.chance(0.6));
  if (reuse)
    return {frontend::makeVariable(test.arguments[random.pick(known)].variable), wanted};
  Argument argument;
  int64_t category = random.below(5);
  argument.variable = {static_cast<int64_t>(test.arguments.size()), wanted,
                       category < 2   ? Category::I
                       : category < 4 ? Category::J
                                      : Category::Parameter};
  argument.source = drawSource();
  test.arguments.push_back(argument);
  return {frontend::makeVariable(argument.variable), wanted};
}

/// Mostly what was made last, so that formulas grow deep.
Drawer::Node Drawer::operand() {
  if (nodes.empty() || random.chance(0.4))
    return leaf();
  Node node = random.chance(0.7) ? nodes.back() : random.pick(nodes);
  return random.chance(0.15) ? reduced(node) : node;
}

/// A reduction of what was made, as an operand; what was made if that has no meaning.
Drawer::Node Drawer::reduced(const Node &node) {
  frontend::ReductionInfo info = *frontend::findReduction(random.pick(reductions()));
  if (info.weight == frontend::ReductionInfo::Weight::Required)
    return node;
  ExpressionRef formula = reduce(info.name.str(), node.formula, random.chance(0.5) ? Category::I : Category::J,
                                 random.pick({1, 2, 3}), nullptr);
  std::optional<int64_t> dim = meaning(formula);
  return dim ? Node{formula, *dim} : node;
}

/// A shape for `dim` components, or some axes.
std::vector<int64_t> Drawer::drawList(int64_t dim) {
  std::vector<int64_t> list;
  if (random.chance(0.5)) {
    for (int64_t factor = 2; factor <= dim; ++factor)
      while (dim % factor == 0 && (list.empty() || random.chance(0.7))) {
        list.push_back(factor);
        dim /= factor;
      }
    if (dim > 1 || list.empty())
      list.push_back(dim);
    return list;
  }
  for (int64_t axis = 0, count = random.below(4); axis < count; ++axis)
    list.insert(list.begin() + random.below(axis + 1), axis);
  if (list.size() > 1 && random.chance(0.3))
    list.pop_back();
  return list;
}

std::optional<frontend::Argument> Drawer::drawArgument(char kind, std::vector<Node> &operands, int64_t list) {
  switch (kind) {
  case 'f':
    operands.push_back(operand());
    return operands.back().formula;
  case 'l':
    return frontend::Argument(drawList(operands.empty() ? 1 : operands[list % operands.size()].dim));
  case 'i': {
    int64_t dim = operands.empty() ? usualDim : operands.back().dim;
    int64_t integer = random.pick({0, 1, 2, 3, -1, -2, 4, dim, dim + 1, dim - 1, 2 * dim, random.below(dim + 1)});
    return frontend::makeNumber(static_cast<double>(integer));
  }
  case 'v': {
    // One that the formula before it depends on.
    std::vector<frontend::Variable> variables;
    if (!operands.empty())
      frontend::forEachNode(*operands.back().formula, [&](const frontend::Expression &node) {
        if (node.kind == frontend::Expression::Kind::Variable)
          variables.push_back(node.variable);
      });
    if (variables.empty())
      return std::nullopt;
    return frontend::makeVariable(random.pick(variables));
  }
  default:
    return std::nullopt;
  }
}

/// Its dimension, if it can be built and its values on a few pairs are numbers that can be compared.
std::optional<int64_t> Drawer::meaning(const ExpressionRef &formula) {
  constexpr int64_t mostDim = 400;
  constexpr double largest = 1e4, sharp = 1e-3;
  std::string error;
  Case plain = test;
  plain.sums = Sums::Blocks;
  plain.clusters = {};
  Reference reference(context, plain, frontend::makeReduction("Sum", formula, Category::I), test.type, Phase::Expanded,
                      error);
  if (!reference)
    return std::nullopt;
  int64_t dim = reference.dims()[0];
  if (dim > mostDim)
    return std::nullopt;
  for (int64_t n = 0; n < 3; ++n) {
    InterpreterRow row =
        reference.pair(0, n % std::max<int64_t>(test.rowsI, 1), n % std::max<int64_t>(test.rowsJ, 1))[0];
    double scale = 1;
    for (double value : row.values)
      scale = std::max(scale, std::fabs(value));
    for (size_t d = 0; d < row.values.size(); ++d)
      if (!(std::fabs(row.values[d]) <= largest) || !(row.bounds[d] <= sharp * scale))
        return std::nullopt;
  }
  return dim;
}

/// Makes a call of `name` with some operands; false if none were found.
bool Drawer::apply(const std::string &name) {
  constexpr int attempts = 100;
  const frontend::Signature &signature = frontend::knownOperations().find(name)->second;
  size_t saved = test.arguments.size();
  for (int attempt = 0; attempt < attempts; ++attempt) {
    std::vector<frontend::Argument> arguments;
    std::vector<Node> operands;
    size_t count = signature.kinds.size() - (signature.optional ? random.below(signature.optional + 1) : 0);
    std::string key = name;
    bool usesVariables = false;
    int64_t lists = 0;
    for (size_t n = 0; n < count; ++n) {
      char kind = signature.kinds[n];
      usesVariables |= kind == 'v';
      std::optional<frontend::Argument> argument = drawArgument(kind, operands, lists);
      if (!argument)
        break;
      lists += kind == 'l';
      arguments.push_back(*argument);
      key += kind == 'f' ? " " + std::to_string(operands.back().dim) : "";
      if (argument->isList())
        for (int64_t integer : argument->list())
          key += "," + std::to_string(integer);
      else if (argument->integer())
        key += ";" + std::to_string(*argument->integer());
      key += kind;
    }
    if (arguments.size() == count && (usesVariables || !refused[key])) {
      ExpressionRef call = frontend::makeCall(name, std::move(arguments));
      if (std::optional<int64_t> dim = meaning(call)) {
        nodes.push_back({call, *dim});
        return true;
      }
      frontend::Diagnostic error;
      refused[key] = !usesVariables && !frontend::dimensionOf(call, error);
    }
    test.arguments.resize(saved);
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

bool Drawer::drawReduction(const std::string &name) {
  Category output = random.chance(0.5) ? Category::I : Category::J;
  int64_t k = random.pick({1, 2, 3, 5, 10});
  test.sums = random.chance(0.6) ? Sums::Blocks : random.chance(0.5) ? Sums::Float64 : Sums::Kahan;
  ExpressionRef formula = nodes.back().formula;
  ExpressionRef summed = frontend::makeCall("Sum", {formula});
  bool weighted =
      frontend::findReduction(name)->weight == frontend::ReductionInfo::Weight::Required || random.chance(0.3);
  std::string error;
  auto builds = [&](const ExpressionRef &root) {
    return static_cast<bool>(Reference(context, test, root, test.type, Phase::Expanded, error));
  };
  for (const ExpressionRef &term : {formula, summed})
    for (Sums sums : {test.sums, Sums::Blocks}) {
      test.sums = sums;
      test.root = reduce(name, term, output, k, weighted ? operand().formula : nullptr);
      if (!builds(test.root))
        continue;
      if (test.arguments.empty() || !random.chance(0.15))
        return true;
      // A derivative of it, if it has one.
      frontend::Variable variable = test.arguments[random.below(test.arguments.size())].variable;
      bool isTangent = random.chance(0.3);
      Reference plain(context, test, test.root, test.type, Phase::Formula, error);
      Category category = isTangent ? variable.category : output;
      int64_t dim = isTangent ? variable.dim : plain.dims()[0];
      Argument direction;
      direction.variable = {static_cast<int64_t>(test.arguments.size()), dim, category};
      direction.source = drawSource();
      test.arguments.push_back(direction);
      ExpressionRef derivative =
          frontend::makeCall(isTangent ? "Diff" : "Grad",
                             {test.root, frontend::makeVariable(variable), frontend::makeVariable(direction.variable)});
      if (builds(derivative))
        test.root = derivative;
      return true;
    }
  return false;
}

//===----------------------------------------------------------------------===//
// Sizes and layout
//===----------------------------------------------------------------------===//

/// Also before there is a formula: which pairs are looked at depends on them.
void Drawer::drawSizes() {
  bool large = usualDim > 5 || otherDim > 5;
  auto size = [&]() -> int64_t {
    if (isSimulated())
      return random.pick({0, 1, 2, 5, 17, 64, 65, 130});
    if (large)
      return random.pick({1, 2, 3, 9, 17, 33, 64, 70});
    return random.pick({0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 100, 129, 257, 300, 1000});
  };
  test.rowsI = size();
  test.rowsJ = size();
}

void Drawer::drawLayout() {
  if (random.chance(0.2))
    for (Argument &argument : test.arguments) {
      argument.spread = random.pick({1, 1, 2, 3});
      argument.gap = random.pick({0, 1, 5});
      argument.backwards = random.chance(0.3) && argument.variable.category != Category::Parameter;
    }
  if (random.chance(0.15)) {
    test.batch = {random.pick({1, 2, 3})};
    if (random.chance(0.3))
      test.batch.push_back(random.pick({1, 2, 5}));
    for (Argument &argument : test.arguments)
      argument.batched = random.chance(0.7);
    // Some array must have them.
    if (llvm::none_of(test.arguments, [](const Argument &argument) { return argument.batched; }))
      test.batch.clear();
  }
  if (random.chance(0.12))
    drawClusters();
}

/// Clusters of consecutive rows, some of no cluster, each with a few intervals of columns.
void Drawer::drawClusters() {
  std::string error;
  Reference reference(context, test, test.root, DType::F64, Phase::Expanded, error);
  int64_t reductions = 0, rowNumbers = 0;
  reference.getModule()->walk([&](mlir::Operation *op) {
    reductions += llvm::isa<ReduceOp>(op);
    rowNumbers += llvm::isa<IndexOp>(op);
  });
  // The interpreter's rows of i have no other numbers, clusters are those of one reduction, and the reference knows the
  // columns of the rows that it is asked for, not those of others that a gather or a scatter needs.
  if (reductions != 1 || !reference.reducesRowsAlone() || (rowNumbers > 0 && !reference.keepsI()))
    return;
  int64_t rows = reference.keepsI() ? test.rowsI : test.rowsJ, columns = reference.keepsI() ? test.rowsJ : test.rowsI;
  for (int64_t row = 0; row < rows;) {
    int64_t end = row + 1 + random.below(rows - row);
    if (random.chance(0.8)) {
      test.clusters.rows.insert(test.clusters.rows.end(), {row, end});
      for (int64_t column = random.below(columns + 1), n = 0; column < columns && n < 3; ++n) {
        int64_t stop = column + 1 + random.below(columns - column);
        test.clusters.columns.insert(test.clusters.columns.end(), {column, stop});
        column = stop + random.below(3);
      }
      test.clusters.slices.push_back(static_cast<int64_t>(test.clusters.columns.size() / 2));
    }
    row = end;
  }
}

//===----------------------------------------------------------------------===//
// A case
//===----------------------------------------------------------------------===//

/// True if the formula has a call of `operation`, and its op if it has one of its own: a call may stand where nobody
/// needs it.
bool Drawer::takesPart(const std::string &operation) {
  bool isCalled = false, hasOp = false, isThere = false;
  frontend::forEachNode(*test.root, [&](const frontend::Expression &node) { isCalled |= node.isCall(operation); });
  for (mlir::RegisteredOperationName name : context.getRegisteredOperations())
    if (auto *op = name.getInterface<FormulaOpInterface>())
      hasOp |= op->spelling() == operation;
  std::string error;
  Reference reference(context, test, test.root, test.type, Phase::Simplified, error);
  if (!reference || !hasOp)
    return isCalled && reference;
  reference.getModule()->walk([&](FormulaOpInterface op) { isThere |= op.spelling() == operation; });
  return isCalled && isThere;
}

/// True if most numbers of the first and of the last row can be compared; arguments have got new positions since the
/// formula was looked at, and a sum or the place of an extremum may be open where all terms are not.
bool Drawer::meansSomething() {
  constexpr double sharp = 1e-2, small = 1e-4, mostOpen = 0.05;
  std::string error;
  Reference reference(context, test, test.root, test.type, Phase::Expanded, error);
  if (!reference)
    return false;
  int64_t rows = reference.keepsI() ? test.rowsI : test.rowsJ;
  if (rows == 0)
    return true;
  int64_t numbers = 0, open = 0;
  for (int64_t row : {int64_t(0), rows - 1})
    for (const InterpreterRow &result : reference.row(0, row)) {
      double scale = small;
      for (double value : result.values)
        if (std::isfinite(value))
          scale = std::max(scale, std::fabs(value));
      for (double bound : result.bounds)
        open += !(bound <= sharp * scale);
      numbers += static_cast<int64_t>(result.values.size());
      if (llvm::any_of(result.values, [](double value) { return std::isnan(value); }))
        return false;
    }
  return static_cast<double>(open) <= mostOpen * static_cast<double>(numbers);
}

bool Drawer::draw(const std::string &operation, const std::string &reduction, DType type) {
  usualDim = random.chance(0.08) ? random.pick({7, 16, 17, 20, 33, 100}) : random.pick({1, 2, 3, 3, 4, 5});
  otherDim = random.chance(0.02) ? random.pick({20, 100}) : random.pick({1, 2, 3, 4, 5});
  if (isSimulated())
    usualDim = random.pick({1, 2, 3, 4});
  exact = random.chance(0.3);
  test.type = type;
  drawSizes();
  const std::vector<std::string> &names = operations();
  int64_t count = 1 + random.below(random.chance(0.5) ? 3 : 7), own = random.below(count);
  for (int64_t n = 0; n < count; ++n)
    if (!apply(n == own ? operation : random.pick(names)) && n == own)
      return false;
  if (!drawReduction(reduction))
    return false;
  if (int64_t within = reductionsIn(*test.root) - 1; within > 0) {
    // The reference makes a reduction anew for each row and column that needs it.
    int64_t most = within == 1 ? 40 : 9;
    test.rowsI = std::min(test.rowsI, most);
    test.rowsJ = std::min(test.rowsJ, most);
  }
  if (!takesPart(operation))
    return false;
  dropUnusedArguments(test);
  drawLayout();
  return meansSomething();
}

std::optional<Case> fuzz::draw(mlir::MLIRContext &context, uint64_t seed, int64_t number, const std::string &target) {
  const std::vector<std::string> &names = operations(), kinds = reductions();
  auto place = static_cast<size_t>(number);
  const std::string &operation = names[place % names.size()];
  // The turns of the two tables shift against each other, so that every pair comes.
  const std::string &reduction = kinds[(place + place / names.size()) % kinds.size()];
  DType type = (place / names.size() + seed) % 2 ? DType::F32 : DType::F64;
  constexpr uint64_t attempts = 30, prime = 0x100000001b3;
  for (uint64_t attempt = 0; attempt < attempts; ++attempt) {
    Drawer drawer(context, (seed * prime + place) * prime + attempt, target);
    if (drawer.draw(operation, reduction, type))
      return drawer.test;
  }
  return std::nullopt;
}
