//===- Shrink.h - The smallest case that still fails -------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A failure of a random formula says little until most of it is gone.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_FUZZ_SHRINK_H
#define KEOPS_TEST_FUZZ_SHRINK_H

#include "Judge.h"

namespace keops::fuzz {

/// The case with parts left out, as long as the check of `verdict` still fails; `verdict` becomes its verdict. Gives up
/// after `seconds`.
Case shrink(Workshop &workshop, Case test, Verdict &verdict, double seconds);

} // namespace keops::fuzz

#endif // KEOPS_TEST_FUZZ_SHRINK_H
