//===- Check.h - Results against the reference -------------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The reference interpreter says what a value is and how far arithmetic in the
// arrays' type may be from it. A check compares some rows with that: values
// against their bounds, row numbers by the formula's value in the rows that
// they name, since rounding may decide between two that are nearly equal.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TOOLS_RUN_CHECK_H
#define KEOPS_TOOLS_RUN_CHECK_H

#include "keops/Keops.h"

#include <functional>

namespace keops::run {

struct CheckReport {
  int64_t rows = 0;      ///< rows compared
  int64_t compared = 0;  ///< numbers that were certain enough to be compared
  int64_t ambiguous = 0; ///< numbers that rounding leaves open: infinite bounds, and row numbers that differ in a tie
  int64_t failures = 0;  ///< numbers out of tolerance
  double maxError = 0;   ///< of finite values
  double maxRelativeError = 0; ///< of values, to the reference, where that is neither 0 nor infinite
  double maxShare = 0;         ///< largest error as a part of its bound
  double maxBound = 0;         ///< largest bound on an error that counted: a check is as sharp as its bounds
  double factor = 0;           ///< tolerance: this many times the bound
  std::string firstFailure;    ///< a sentence

  /// True if all is within tolerance and not everything was left open.
  bool passed() const { return failures == 0 && (compared > 0 || ambiguous == 0); }
};

struct CheckOptions {
  int64_t rows = 64;
  double factor = 2;
};

/// Compares `outputs` of a call of `kernel` on `inputs`. `termKernel` makes the
/// kernel that sums the same formula over the same index; it is called when
/// row numbers differ from the reference.
CheckReport check(const Kernel &kernel, const std::vector<ConstArray> &inputs, const std::vector<Array> &outputs,
                  const CheckOptions &options, const std::function<Kernel()> &termKernel);

} // namespace keops::run

#endif // KEOPS_TOOLS_RUN_CHECK_H
