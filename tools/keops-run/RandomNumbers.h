//===- RandomNumbers.h - Numbers that a seed determines ----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A number depends on the seed, on its argument's position and on its place in
// the array alone, so that a command line says everything about a run.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TOOLS_RUN_RANDOMNUMBERS_H
#define KEOPS_TOOLS_RUN_RANDOMNUMBERS_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace keops::run {

/// Where random numbers lie: `random`, which is standard normal; `random(0.5,2)`,
/// evenly between two numbers; `dyadic(-2,2)`, quarters between two numbers, the
/// ends among them, so that sums, products and comparisons are exact.
struct RandomSource {
  enum class Kind : uint8_t { Normal, Uniform, Dyadic };

  Kind kind = Kind::Normal;
  double low = 0, high = 1;

  /// As on the command line.
  std::string str() const;
};

/// Reads what `str` writes. None if it is something else; throws keops::Error if
/// it begins so but makes no sense.
std::optional<RandomSource> parseRandomSource(llvm::StringRef text);

/// The number at `place` of argument `position`.
double randomNumber(const RandomSource &source, uint64_t seed, int64_t position, int64_t place);

} // namespace keops::run

#endif // KEOPS_TOOLS_RUN_RANDOMNUMBERS_H
