//===- example.cpp - A program that uses Keops from C++ ----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How a program includes one header and computes with formulas: write them with
// operators, compile them while the program runs, and call them on its own
// memory. Exits with 1 if a number is not what a plain loop gives.
//
//===----------------------------------------------------------------------===//

#include "keops/Keops.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

struct Point {
  double position[3];
  double charge;
};

} // namespace

static std::vector<Point> makePoints(int64_t count, double phase) {
  std::vector<Point> points(count);
  for (int64_t n = 0; n < count; ++n)
    points[n] = {{std::sin(n + phase), std::cos(2 * n + phase), std::sin(3 * n - phase)}, std::cos(5 * n + phase)};
  return points;
}

static double squaredDistance(const Point &a, const Point &b) {
  double sum = 0;
  for (int d = 0; d < 3; ++d)
    sum += (a.position[d] - b.position[d]) * (a.position[d] - b.position[d]);
  return sum;
}

static void expectClose(const char *what, double value, double expected) {
  if (std::fabs(value - expected) <= 1e-12 * (1 + std::fabs(expected)))
    return;
  std::printf("%s is %.17g, expected %.17g\n", what, value, expected);
  std::exit(1);
}

int main() {
  constexpr int64_t numTargets = 1000, numSources = 2000;
  std::vector<Point> targets = makePoints(numTargets, 0), sources = makePoints(numSources, 0.5);
  const double width = 0.25;

  // A formula says what happens for each pair: x has a row per target, y and b
  // one per source, and s is the same for all. The first number is the place of
  // the array in a call, the second the dimension.
  keops::Formula x = keops::rowVariable(0, 3), y = keops::columnVariable(1, 3), b = keops::columnVariable(2, 1),
                 s = keops::parameter(3, 1);
  keops::Formula field = keops::exp(-keops::sqdist(x, y) / s) * b;
  std::printf("formula: %s\n", field.str().c_str());

  // An engine compiles and keeps what it compiled.
  keops::Engine engine;
  keops::Kernel sum = engine.compile(keops::sum(field, keops::Over::Columns), keops::DType::F64);

  // Arrays stay where they are: a stride is the number of elements from one row
  // to the next, here from one point to the next.
  static constexpr int64_t stride = sizeof(Point) / sizeof(double);
  auto positions = [](const std::vector<Point> &points) {
    return keops::ConstArray{points[0].position, static_cast<int64_t>(points.size()), 3, keops::DType::F64, stride, 1};
  };
  keops::ConstArray charges = {&sources[0].charge, numSources, 1, keops::DType::F64, stride, 1};
  keops::ConstArray parameter = {&width, 1, 1, keops::DType::F64};
  std::vector<double> potential(numTargets);
  sum({{potential.data(), numTargets, 1, keops::DType::F64}},
      {positions(targets), positions(sources), charges, parameter});
  for (int64_t i = 0; i < numTargets; ++i) {
    double expected = 0;
    for (const Point &source : sources)
      expected += std::exp(-squaredDistance(targets[i], source) / width) * source.charge;
    expectClose("a potential", potential[i], expected);
  }

  // The same formulas as text, with names. Two results: values and row numbers.
  keops::Kernel nearest =
      engine.compile("Min_ArgMin_Reduction(SqDist(x, y), 0)", {"x = Vi(3)", "y = Vj(3)"}, keops::DType::F64);
  std::vector<double> distance(numTargets);
  std::vector<int64_t> index(numTargets);
  nearest({{distance.data(), numTargets, 1, keops::DType::F64}, {index.data(), numTargets, 1, keops::DType::I64}},
          {positions(targets), positions(sources)});
  for (int64_t i = 0; i < numTargets; ++i) {
    double expected = squaredDistance(targets[i], sources[0]);
    for (const Point &source : sources)
      expected = std::min(expected, squaredDistance(targets[i], source));
    expectClose("a smallest distance", distance[i], expected);
    expectClose("the distance of the nearest source", squaredDistance(targets[i], sources[index[i]]), expected);
  }

  // What does not fit is refused with a sentence, and nothing is computed.
  try {
    nearest({{distance.data(), numTargets, 1, keops::DType::F64}, {index.data(), numTargets, 1, keops::DType::I64}},
            {positions(targets), charges});
    std::printf("an array with too few columns was taken\n");
    return 1;
  } catch (const keops::Error &error) {
    std::printf("refused: %s\n", error.what());
  }
  std::printf("potential of target 0: %.15g; its nearest source: %lld\n", potential[0],
              static_cast<long long>(index[0]));
  return 0;
}
