//===- LongFormulaTest.cpp - Formulas longer and deeper than people write --===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Programs that build formulas in loops reach any length. Nothing between the
// formula and its code may take a stack as deep as the formula, so all of this
// runs on a small one.
//
//===----------------------------------------------------------------------===//

#include "EngineTesting.h"

#include <cmath>
#include <functional>

#include <pthread.h>

using namespace keops;
using namespace keops::test;

namespace {

using M = Matrix<float>;
constexpr int64_t kRows = 9, kColumns = 5;

/// A megabyte, an eighth of what a program begins with. A sanitizer makes each call take several times as much, of
/// which the parser's 500 levels alone would fill it.
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEOPS_SANITIZED
#endif
#endif
#ifdef KEOPS_SANITIZED
constexpr size_t kStackBytes = 4 << 20;
#else
constexpr size_t kStackBytes = 1 << 20;
#endif

/// Runs `body` on a thread with a small stack.
void onSmallStack(std::function<void()> body) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_t thread;
  auto run = [](void *argument) -> void * {
    (*static_cast<std::function<void()> *>(argument))();
    return nullptr;
  };
  ASSERT_EQ(pthread_create(&thread, &attributes, run, &body), 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

/// Compiles the sum of `formula` of x and y, of `dim` components each, and compares with the reference.
void checkSum(const Formula &formula, int64_t dim) {
  Engine engine{inMemory()};
  Kernel kernel = engine.compile(sum(formula, Over::Columns), DType::F32);
  M x = M::random(kRows, dim, 1), y = M::random(kColumns, dim, 2), out(kRows, kernel.results()[0].dim);
  kernel({out}, {x, y});
  std::vector<std::vector<double>> values, bounds;
  std::vector<int64_t> rows = {0, kRows - 1};
  kernel.interpret({x, y}, rows, values, bounds);
  for (size_t n = 0; n < rows.size(); ++n)
    for (int64_t d = 0; d < out.dim; ++d) {
      double expected = values[0][n * out.dim + d], bound = bounds[0][n * out.dim + d];
      EXPECT_LT(bound, 1e-3 * (1 + std::fabs(expected)));
      EXPECT_LE(std::fabs(out[rows[n]][d] - expected), 2 * bound) << "row " << rows[n] << ", component " << d;
    }
}

/// `depth` times a product and a sum, one upon the other.
Formula chain(int64_t dim, int depth) {
  Formula x = rowVariable(0, dim), y = columnVariable(1, dim), value = x * y;
  for (int n = 0; n < depth; ++n)
    value = value * (n % 2 ? x : y) + (n % 3 ? y : x);
  return value;
}

} // namespace

TEST(LongFormulaTest, FiveThousandOperationsOnNumbers) {
  onSmallStack([] { checkSum(chain(1, 2500), 1); });
}

// Powers that share nothing but their factors are all alive together.
TEST(LongFormulaTest, ManyPowers) {
  onSmallStack([] {
    Formula x = rowVariable(0, 1), y = columnVariable(1, 1), value = x * y;
    for (int n = 3; n < 150; ++n)
      value = value + Formula::call("Pow", {x}, {n}) * y;
    checkSum(value, 1);
  });
}

TEST(LongFormulaTest, TenThousandLevelsOfVectors) {
  onSmallStack([] { checkSum(chain(3, 5000), 3); });
}

// Longer vectors than are unrolled are computed in loops.
TEST(LongFormulaTest, ThousandLevelsOfLongVectors) {
  onSmallStack([] { checkSum(chain(40, 500), 40); });
}

// Levels that are no arithmetic: each takes a vector apart and puts another together.
TEST(LongFormulaTest, TenThousandLevelsOfStructure) {
  onSmallStack([] {
    Formula x = rowVariable(0, 3), y = columnVariable(1, 3), value = x * y;
    for (int n = 0; n < 5000; ++n)
      value = Formula::call("Extract", {Formula::call("Concat", {value, n % 2 ? x : y})}, {1, 3});
    checkSum(value, 3);
  });
}

// Text has no such depth: a sentence says so.
TEST(LongFormulaTest, DeepTextIsRefused) {
  onSmallStack([] {
    std::string text = "x";
    for (int n = 0; n < 10000; ++n)
      text = "Sin(" + text + ")";
    Engine engine{inMemory()};
    expectError([&] { engine.compile("Sum_Reduction(" + text + ",0)", {"x = Vi(1)"}, DType::F32); },
                {"nested deeper than 500 levels"});
  });
}
