//===- Number.h - Real constants of formulas, exact where possible ---------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A constant is a double that remembers the fraction it stands for. So `1/3`
// stays a third until a kernel's type is known, `0.1 + 0.2` is 0.3, and an
// integer argument can be told from a real one after arithmetic.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_FRONTEND_NUMBER_H
#define KEOPS_FRONTEND_NUMBER_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>
#include <string>

namespace keops::frontend {

/// A finite real number, or any double that a program passed in.
struct Number {
  double value = 0;
  /// The fraction in lowest terms, both parts at most 2^53 so that `value` is
  /// their correctly rounded quotient; denominator 0 if none is known.
  int64_t numerator = 0;
  int64_t denominator = 0;

  /// The number that `value` reads as in its shortest decimal form.
  static Number of(double value);
  /// p/q in lowest terms; none if q is 0 or a part does not fit.
  static std::optional<Number> fraction(int64_t p, int64_t q);
  /// A decimal literal such as `2`, `0.5` or `1e-3`; none if it is malformed or
  /// too large for a double.
  static std::optional<Number> parse(llvm::StringRef literal);

  bool isExact() const { return denominator != 0; }
  bool isInteger() const { return denominator == 1; }
  /// True if `str` writes the number as a quotient rather than as one literal.
  bool isQuotient() const;
  bool isNegative() const { return value < 0; }
  /// Text that reads back as this number; only for finite values.
  std::string str() const;

  bool operator==(const Number &other) const;
};

/// Arithmetic on constants: `symbol` is one of + - * / // % **. None if the
/// result is not a finite real number, with the reason in `why`.
std::optional<Number> evaluate(llvm::StringRef symbol, const Number &a, const Number &b, std::string &why);

} // namespace keops::frontend

#endif // KEOPS_FRONTEND_NUMBER_H
