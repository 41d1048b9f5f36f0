//===- Judge.h - Whether everybody agrees on a case --------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// All that must hold of any formula whatever: the kernel gives what the
// interpreter says, with any number of threads; passes over formulas keep their
// meaning; text reads back; the tangent is the transpose of the adjoint.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_FUZZ_JUDGE_H
#define KEOPS_TEST_FUZZ_JUDGE_H

#include "Case.h"

namespace keops::fuzz {

struct Verdict {
  enum Kind : uint8_t {
    Equal,
    Ambiguous, ///< rounding decides more than a few of the numbers: nothing was learnt
    Refused,   ///< there is no kernel, and `sentence` says why
    Mismatch
  };
  Kind kind = Equal;
  std::string check; ///< which of the checks failed: "values", "threads", …
  std::string sentence;
  int64_t compared = 0, open = 0; ///< numbers, and those that rounding leaves open
  bool transposed = false;        ///< tangent and adjoint were compared

  void fail(const std::string &failedCheck, const std::string &why) {
    if (kind == Mismatch)
      return;
    kind = Mismatch;
    check = failedCheck;
    sentence = why;
  }
};

/// What judging needs and keeps from case to case; for one thread.
struct Workshop {
  Workshop();

  std::unique_ptr<mlir::MLIRContext> context;
  Engine engine;
};

Verdict judge(Workshop &workshop, const Case &test);

} // namespace keops::fuzz

#endif // KEOPS_TEST_FUZZ_JUDGE_H
