//===- value-and-gradient.cpp - What a gradient beside its value costs --------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A Gaussian product, its gradient in x, and both from one kernel, on one
// thread; beside them hand-written loops for the value and for both, with D = 3.
// All take turns, and the best time of each counts, so that other work on the
// machine meets all of them.
//
//===----------------------------------------------------------------------===//

#include "handwritten.h"

#include "keops/Keops.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>

using namespace keops;

namespace {

/// A call and the best time that it took.
struct Entry {
  const char *name;
  std::function<void()> call;
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
                     E(rows, 1), outValue(rows), outSlope(rows * dim);
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
  std::vector<Entry> entries;
  auto addKernel = [&](const char *name, const std::vector<Reduction> &reductions, std::vector<Array> outputs) {
    entries.push_back({name, [kernel = engine.compile(reductions, DType::F32), outputs = std::move(outputs), &inputs] {
                         kernel(outputs, inputs, /*threads=*/1);
                       }});
  };
  addKernel("value", {value}, {a});
  addKernel("gradient", {slope}, {g});
  addKernel("both", {value, slope}, {a, g});
  std::vector<float> results(rows * (1 + dim));
  if (int isa = keops_hw_isa(); isa && dim == 3) {
    entries.push_back({"value, hand-written", [&, isa] {
                         keops_hw_gaussian_f32(isa, X.data(), Y.data(), B.data(), results.data(), 0, rows, rows);
                       }});
    entries.push_back({"both, hand-written", [&, isa] {
                         keops_hw_gaussian_gradient_f32(isa, X.data(), Y.data(), B.data(), results.data(), 0, rows,
                                                        rows);
                       }});
  }
  for (int turn = 0; turn <= turns; ++turn)
    for (Entry &entry : entries) {
      auto start = std::chrono::steady_clock::now();
      entry.call();
      std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
      entry.best = std::min(entry.best, taken.count());
    }
  // A loop that is compared with is right: the kernel has given value and gradient, where e is 1.
  float largest = 0;
  for (int64_t i = 0; entries.size() > 3 && i < rows; ++i) {
    largest = std::max(largest, std::fabs(results[i * (1 + dim)] - outValue[i]));
    for (int64_t d = 0; d < dim; ++d)
      largest = std::max(largest, std::fabs(results[i * (1 + dim) + 1 + d] - outSlope[i * dim + d]));
  }
  std::printf("Gaussian product, D = %lld, float32, %lld x %lld pairs, one thread\n", static_cast<long long>(dim),
              static_cast<long long>(rows), static_cast<long long>(rows));
  for (size_t n = 0; n < entries.size(); ++n)
    std::printf("%-20s %8.2f ms   %.3g pairs/s   %.2f x the time of the value\n", entries[n].name,
                1e3 * entries[n].best, static_cast<double>(rows * rows) / entries[n].best,
                entries[n].best / entries[n < 3 ? 0 : 3].best);
  if (entries.size() > 3)
    std::printf("largest difference %.2g\n", largest);
  return 0;
}
