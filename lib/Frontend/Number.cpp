//===- Number.cpp - Real constants of formulas, exact where possible -------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Fractions are computed in 128-bit integers: with parts of at most 53 bits no
// sum or product can overflow. A result that no longer fits falls back to the
// double, read again through its shortest decimal form, so that a number's text
// always determines it.
//
//===----------------------------------------------------------------------===//

#include "keops/Frontend/Number.h"

#include <charconv>
#include <cmath>
#include <cstring>

using namespace keops::frontend;

namespace {
using Wide = __int128;
} // namespace

static constexpr int64_t largestPart = int64_t(1) << 53;

/// p/q reduced; none if q is 0 or a part exceeds 2^53.
static std::optional<Number> reduced(Wide p, Wide q) {
  if (q == 0)
    return std::nullopt;
  if (q < 0) {
    p = -p;
    q = -q;
  }
  Wide a = p < 0 ? -p : p, b = q;
  while (b != 0) {
    Wide rest = a % b;
    a = b;
    b = rest;
  }
  p /= a;
  q /= a;
  if (p > largestPart || p < -largestPart || q > largestPart)
    return std::nullopt;
  Number result;
  result.numerator = static_cast<int64_t>(p);
  result.denominator = static_cast<int64_t>(q);
  result.value = static_cast<double>(result.numerator) / static_cast<double>(result.denominator);
  return result;
}

/// The fraction that decimal digits with an exponent stand for, if it fits.
static std::optional<Number> decimalFraction(llvm::StringRef literal) {
  Wide digits = 0;
  int64_t exponent = 0;
  bool afterPoint = false, negative = literal.consume_front("-");
  // Zeros are held back: those at the end of the digits only move the exponent.
  int64_t zeros = 0;
  size_t index = 0;
  for (; index < literal.size(); ++index) {
    char c = literal[index];
    if (c == '.') {
      afterPoint = true;
      continue;
    }
    if (c < '0' || c > '9')
      break;
    exponent -= afterPoint;
    if (c == '0') {
      ++zeros;
      continue;
    }
    for (; zeros > 0 && digits != 0; --zeros)
      if ((digits *= 10) > largestPart)
        return std::nullopt;
    zeros = 0;
    digits = digits * 10 + (c - '0');
    if (digits > largestPart)
      return std::nullopt;
  }
  exponent += zeros;
  if (index < literal.size()) {
    llvm::StringRef text = literal.substr(index + 1);
    text.consume_front("+");
    int64_t written = 0;
    if (text.getAsInteger(10, written))
      return std::nullopt;
    if (written > 1000000 || written < -1000000)
      return std::nullopt;
    exponent += written;
  }
  if (negative)
    digits = -digits;
  if (digits == 0)
    return reduced(0, 1);
  if (exponent > 16 || exponent < -32)
    return std::nullopt;
  Wide scale = 1;
  for (int64_t i = 0; i < (exponent < 0 ? -exponent : exponent); ++i)
    scale *= 10;
  return exponent < 0 ? reduced(digits, scale) : reduced(digits * scale, 1);
}

/// The shortest decimal text that reads back as `value`, in no locale.
static std::string shortest(double value) {
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, value);
  return std::string(buffer, end.ptr);
}

Number Number::of(double value) {
  if (std::isfinite(value))
    if (std::optional<Number> exact = decimalFraction(shortest(value)))
      return *exact;
  Number result;
  result.value = value;
  return result;
}

std::optional<Number> Number::fraction(int64_t p, int64_t q) { return reduced(p, q); }

std::optional<Number> Number::parse(llvm::StringRef literal) {
  if (std::optional<Number> exact = decimalFraction(literal))
    return exact;
  double value = 0;
  if (literal.getAsDouble(value) || !std::isfinite(value))
    return std::nullopt;
  return of(value);
}

bool Number::isQuotient() const { return isExact() && !isInteger() && !(of(value) == *this); }

std::string Number::str() const {
  if (isInteger())
    return std::to_string(numerator);
  if (isQuotient())
    return std::to_string(numerator) + "/" + std::to_string(denominator);
  return shortest(value);
}

bool Number::operator==(const Number &other) const {
  if (isExact() || other.isExact())
    return numerator == other.numerator && denominator == other.denominator;
  // Bits, so that a NaN equals itself.
  return std::memcmp(&value, &other.value, sizeof value) == 0;
}

/// base^exponent by squaring; none as soon as a part does not fit.
static std::optional<Number> exactPower(Number base, int64_t exponent) {
  if (exponent < 0) {
    std::optional<Number> inverse = reduced(base.denominator, base.numerator);
    if (!inverse)
      return std::nullopt;
    base = *inverse;
    exponent = -exponent;
  }
  Number result = *Number::fraction(1, 1);
  while (true) {
    if (exponent & 1) {
      std::optional<Number> product =
          reduced(Wide(result.numerator) * base.numerator, Wide(result.denominator) * base.denominator);
      if (!product)
        return std::nullopt;
      result = *product;
    }
    exponent >>= 1;
    if (exponent == 0)
      return result;
    std::optional<Number> square =
        reduced(Wide(base.numerator) * base.numerator, Wide(base.denominator) * base.denominator);
    if (!square)
      return std::nullopt;
    base = *square;
  }
}

/// The exact result, or none if an operand is not exact or the result does not fit.
static std::optional<Number> evaluateExactly(llvm::StringRef symbol, const Number &a, const Number &b) {
  if (!a.isExact() || !b.isExact())
    return std::nullopt;
  Wide p = Wide(a.numerator) * b.denominator, q = Wide(b.numerator) * a.denominator;
  Wide common = Wide(a.denominator) * b.denominator;
  if (symbol == "+")
    return reduced(p + q, common);
  if (symbol == "-")
    return reduced(p - q, common);
  if (symbol == "*")
    return reduced(Wide(a.numerator) * b.numerator, common);
  if (symbol == "/")
    return reduced(p, q);
  if (symbol == "**")
    return b.isInteger() ? exactPower(a, b.numerator) : std::nullopt;
  // Floor division of p by q, and its remainder.
  Wide floor = p / q;
  if (p % q != 0 && ((p < 0) != (q < 0)))
    --floor;
  return symbol == "//" ? reduced(floor, 1) : reduced(p - floor * q, common);
}

std::optional<Number> keops::frontend::evaluate(llvm::StringRef symbol, const Number &a, const Number &b,
                                                std::string &why) {
  bool divides = symbol == "/" || symbol == "//" || symbol == "%" || (symbol == "**" && b.value < 0);
  if (divides && (symbol == "**" ? a : b).value == 0) {
    why = "division by zero";
    return std::nullopt;
  }
  if (std::optional<Number> exact = evaluateExactly(symbol, a, b))
    return exact;
  double value = 0;
  if (symbol == "+")
    value = a.value + b.value;
  else if (symbol == "-")
    value = a.value - b.value;
  else if (symbol == "*")
    value = a.value * b.value;
  else if (symbol == "/")
    value = a.value / b.value;
  else if (symbol == "**")
    value = std::pow(a.value, b.value);
  else if (symbol == "//")
    value = std::floor(a.value / b.value);
  else
    value = a.value - b.value * std::floor(a.value / b.value);
  if (std::isnan(value)) {
    why = "the result is not a real number";
    return std::nullopt;
  }
  if (std::isinf(value)) {
    why = "the result is too large for a double";
    return std::nullopt;
  }
  return Number::of(value);
}
