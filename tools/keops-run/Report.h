//===- Report.h - What was found, for people and for programs ----------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One record of a run, printed as text or as one JSON object.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TOOLS_RUN_REPORT_H
#define KEOPS_TOOLS_RUN_REPORT_H

#include "Check.h"

#include "llvm/Support/raw_ostream.h"

#include <optional>

namespace keops::run {

struct BenchReport {
  int64_t repetitions = 0;
  double best = 0, median = 0; ///< seconds
};

struct Report {
  std::string formula, reduction, over, target, origin;
  DType type = DType::F32;
  double compileMilliseconds = 0;
  std::string explanation; ///< empty unless asked for

  /// What follows is there if the kernel ran.
  bool ran = false;
  int64_t rows = 0, columns = 0; ///< of i and of j
  int threads = 0;               ///< 0: as many as there are cores
  uint64_t seed = 0;
  std::vector<Array> outputs;
  std::vector<std::string> files; ///< written, one per output; empty if none
  std::optional<CheckReport> check;
  std::optional<BenchReport> bench;

  double pairsPerSecond() const { return bench ? static_cast<double>(rows) * columns / bench->best : 0; }
};

void printText(llvm::raw_ostream &out, const Report &report, bool showResults);
void printJson(llvm::raw_ostream &out, const Report &report);

} // namespace keops::run

#endif // KEOPS_TOOLS_RUN_REPORT_H
