//===- compile-times.cpp - How long new formulas take to compile --------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Compiles formulas that no cache has seen, for one target: "host", or a GPU's,
// which is then PTX. Prints milliseconds of processor time, the best and the
// median, so that other work on the machine counts little.
//
//===----------------------------------------------------------------------===//

#include "keops/Keops.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>

using namespace keops;

namespace {

/// Text with a `#` where a number goes that makes it new.
struct Case {
  const char *name, *text;
  std::vector<std::string> aliases;
  Precision precision = Precision::Exact;
};

} // namespace

static double processorMilliseconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) * 1e3 + static_cast<double>(now.tv_nsec) * 1e-6;
}

int main(int argc, char **argv) {
  std::string target = argc > 1 ? argv[1] : "sm_90";
  int turns = argc > 2 ? std::atoi(argv[2]) : 9;
  const std::vector<std::string> three = {"x = Vi(3)", "y = Vj(3)", "b = Vj(1)", "e = Vi(1)"},
                                 ten = {"x = Vi(10)", "y = Vj(10)", "b = Vj(1)"},
                                 hundred = {"x = Vi(100)", "y = Vj(100)", "b = Vj(1)"},
                                 wide = {"x = Vi(3)", "y = Vj(3)", "b = Vj(64)"};
  const char *gaussian = "Sum_Reduction(Exp(-#*SqDist(x,y))*b, 0)";
  const std::vector<Case> cases = {
      {"Gaussian D=3", gaussian, three},
      {"the same, expanded distances", gaussian, three, Precision::Fast},
      {"its gradient", "Grad(Sum_Reduction(Exp(-#*SqDist(x,y))*b, 0), x, e)", three},
      {"Cauchy D=3", "Sum_Reduction(Inv(1+#*SqDist(x,y))*b, 0)", three},
      {"log-sum-exp D=3", "LogSumExp_Reduction(-#*SqDist(x,y), 0)", three},
      {"softmax D=3", "SumSoftMaxWeight_Reduction(-#*SqDist(x,y), 0, y)", three},
      {"minimum D=3", "Min_Reduction(#*SqDist(x,y), 0)", three},
      {"10 nearest D=10", "ArgKMin_Reduction(#*SqDist(x,y), 10, 0)", ten},
      {"Gaussian D=10", gaussian, ten},
      {"Gaussian D=100", gaussian, hundred},
      {"64 right-hand sides", gaussian, wide},
  };
  Engine::Options options;
  options.diskCache = false;
  Engine engine(options);
  std::printf("for %s: milliseconds, best (median)\n", target.c_str());
  for (const Case &one : cases) {
    CompileOptions how;
    how.target = target;
    how.precision = one.precision;
    std::vector<double> times;
    for (int turn = 0; turn < turns; ++turn) {
      std::string text = one.text;
      text.replace(text.find('#'), 1, std::to_string(turn + 2));
      double before = processorMilliseconds();
      engine.compile(text, one.aliases, DType::F32, how);
      times.push_back(processorMilliseconds() - before);
    }
    std::sort(times.begin(), times.end());
    std::printf("%-30s %6.0f (%.0f)\n", one.name, times.front(), times[times.size() / 2]);
  }
  return 0;
}
