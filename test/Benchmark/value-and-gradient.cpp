//===- value-and-gradient.cpp - What a gradient beside its value costs --------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A Gaussian product, its gradient in x, and both from one kernel, on one
// thread. The three take turns, and the best time of each counts, so that other
// work on the machine meets all of them.
//
//===----------------------------------------------------------------------===//

#include "keops/Keops.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>

using namespace keops;

namespace {

/// A call and the best time that it took.
struct Entry {
  const char *name;
  Kernel kernel;
  std::vector<Array> outputs;
  double best = 1e300;
};

std::vector<float> randomNumbers(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> numbers(count);
  for (float &number : numbers)
    number = normal(generator);
  return numbers;
}

} // namespace

int main(int argc, char **argv) {
  int64_t rows = argc > 1 ? std::atoll(argv[1]) : 10000, dim = argc > 2 ? std::atoll(argv[2]) : 3;
  int turns = argc > 3 ? std::atoi(argv[3]) : 15;
  Formula x = rowVariable(0, dim), y = columnVariable(1, dim), b = columnVariable(2, 1), e = rowVariable(3, 1);
  Reduction value = sum(exp(-sqdist(x, y)) * b, Over::Columns), slope = gradient(value, x, e);

  std::vector<float> X = randomNumbers(rows * dim, 1), Y = randomNumbers(rows * dim, 2), B = randomNumbers(rows, 3),
                     E = randomNumbers(rows, 4), outValue(rows), outSlope(rows * dim);
  std::vector<ConstArray> inputs = {
      {X.data(), rows, dim}, {Y.data(), rows, dim}, {B.data(), rows, 1}, {E.data(), rows, 1}};
  Array a = {outValue.data(), rows, 1}, g = {outSlope.data(), rows, dim};
  // All take the same arguments, used or not.
  std::vector<std::string> aliases = {"x = Vi(" + std::to_string(dim) + ")", "y = Vj(" + std::to_string(dim) + ")",
                                      "b = Vj(1)", "e = Vi(1)"};
  value.aliases = slope.aliases = aliases;

  Engine::Options options;
  options.diskCache = false;
  Engine engine(options);
  std::vector<Entry> entries = {{"value", engine.compile(value, DType::F32), {a}},
                                {"gradient", engine.compile(slope, DType::F32), {g}},
                                {"both", engine.compile({value, slope}, DType::F32), {a, g}}};
  for (int turn = 0; turn <= turns; ++turn)
    for (Entry &entry : entries) {
      auto start = std::chrono::steady_clock::now();
      entry.kernel(entry.outputs, inputs, /*threads=*/1);
      std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
      entry.best = std::min(entry.best, taken.count());
    }
  std::printf("Gaussian product, D = %lld, float32, %lld x %lld pairs, one thread\n", static_cast<long long>(dim),
              static_cast<long long>(rows), static_cast<long long>(rows));
  for (const Entry &entry : entries)
    std::printf("%-10s %8.2f ms   %.3g pairs/s   %.2f x the value's time\n", entry.name, 1e3 * entry.best,
                static_cast<double>(rows * rows) / entry.best, entry.best / entries[0].best);
  return 0;
}
