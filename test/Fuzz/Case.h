//===- Case.h - A random formula and everything about its call ---------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A case says all: the formula, the arrays' shapes, strides and numbers, how
// sums are taken. It is drawn from a seed, judged, and changed while it shrinks.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_FUZZ_CASE_H
#define KEOPS_TEST_FUZZ_CASE_H

#include "RandomNumbers.h"

#include "keops/Compiler/Compiler.h"
#include "keops/Frontend/FormulaParser.h"
#include "keops/Keops.h"

#include <vector>

namespace keops::fuzz {

using frontend::Category;
using frontend::ExpressionRef;

/// Reproducible on any machine, unlike the distributions of the C++ library.
class Random {
public:
  explicit Random(uint64_t seed) : state(seed) {}
  uint64_t next() {
    uint64_t bits = state += 0x9e3779b97f4a7c15;
    bits = (bits ^ (bits >> 30)) * 0xbf58476d1ce4e5b9;
    bits = (bits ^ (bits >> 27)) * 0x94d049bb133111eb;
    return bits ^ (bits >> 31);
  }
  /// One of 0 … count − 1.
  int64_t below(int64_t count) { return static_cast<int64_t>(next() % static_cast<uint64_t>(count)); }
  bool chance(double probability) { return static_cast<double>(next() >> 11) * 0x1p-53 < probability; }
  template <typename Container>
  auto pick(const Container &values) {
    return *(std::begin(values) + below(static_cast<int64_t>(std::size(values))));
  }
  /// One of the given values; repeat a value to have it more often.
  int64_t pick(std::initializer_list<int64_t> values) { return *(values.begin() + below(values.size())); }

private:
  uint64_t state;
};

/// An argument of the call.
struct Argument {
  frontend::Variable variable;
  run::RandomSource source;
  /// Elements between components, and after the last one of a row: (1, 0) is contiguous.
  int64_t spread = 1, gap = 0;
  /// Rows in reverse order of addresses.
  bool backwards = false;
  /// Has the case's batch axes, or is shared by all batches.
  bool batched = false;

  std::string name() const;
  std::string alias() const;
};

/// Clusters of rows of the result, and the columns that each is reduced over.
struct Clusters {
  std::vector<int64_t> rows, slices, columns;

  bool empty() const { return rows.empty(); }
  Ranges view() const {
    return {rows.data(), slices.data(), static_cast<int64_t>(slices.size()), columns.data(),
            static_cast<int64_t>(columns.size() / 2)};
  }
};

struct Case {
  std::vector<Argument> arguments; ///< by position
  ExpressionRef root;              ///< a reduction, or a derivative of one
  DType type = DType::F32;
  Sums sums = Sums::Blocks;
  int64_t rowsI = 1, rowsJ = 1;
  uint64_t seed = 0; ///< of the numbers
  std::vector<int64_t> batch;
  Clusters clusters;
  std::string target = "host";

  std::vector<std::string> aliases() const;
  std::vector<frontend::Declaration> declarations() const;
  /// The formula as text, or why it has none.
  std::string text() const;
  /// Number `d` of row `row` of an argument in batch `batch`, as its array holds it.
  double number(size_t argument, int64_t batch, int64_t row, int64_t d) const;
  int64_t rowsOf(size_t argument) const;
  int64_t batches() const;
  /// A command of keops-run for this case; it has neither strides, batches nor ranges.
  std::string command() const;
  /// What the command leaves out, in words.
  std::string layout() const;
};

/// The expression with every node that `change` has something for replaced by it; `change` is asked for operands that
/// are not replaced themselves.
ExpressionRef rebuild(const ExpressionRef &root, llvm::function_ref<ExpressionRef(const ExpressionRef &)> change);

/// Reductions of a formula, those within others too.
int64_t reductionsIn(const frontend::Expression &root);
/// True if the formula of a reduction, or of a derivative of one, has reductions of its own.
inline bool hasReductionWithin(const frontend::Expression &root) { return reductionsIn(root) > 1; }

/// Removes arguments that the formula does not use and numbers the others anew. An index without arguments has one row.
void dropUnusedArguments(Case &test);

} // namespace keops::fuzz

#endif // KEOPS_TEST_FUZZ_CASE_H
