//===- Element.cpp - Elements of arrays as numbers ------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Numbers of 16 bits are put together and taken apart by their definition: a
// sign, an exponent whose smallest value means "no leading one", and the bits
// behind the leading one.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/Element.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

using namespace keops::runtime;

namespace {
/// A floating-point format of 16 bits.
struct Format {
  int fractionBits;
  int smallestExponent; ///< of a number with a leading one
  uint32_t infinity() const { return ((1u << (15 - fractionBits)) - 1) << fractionBits; }
};
} // namespace

static constexpr Format kHalf = {10, -14}, kBFloat = {7, -126};

static double decode(uint32_t bits, Format format) {
  uint32_t magnitude = bits & 0x7fff, fraction = magnitude & ((1u << format.fractionBits) - 1);
  int exponent = static_cast<int>(magnitude >> format.fractionBits);
  double value;
  if (magnitude >= format.infinity())
    value = fraction ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  else if (exponent == 0)
    value = std::ldexp(fraction, format.smallestExponent - format.fractionBits);
  else
    value = std::ldexp(fraction + (1u << format.fractionBits),
                       exponent - 1 + format.smallestExponent - format.fractionBits);
  return bits & 0x8000 ? -value : value;
}

static uint16_t encode(double value, Format format) {
  uint32_t sign = std::signbit(value) ? 0x8000 : 0, magnitude = format.infinity();
  if (std::isnan(value)) {
    magnitude |= 1u << (format.fractionBits - 1);
  } else if (!std::isinf(value)) {
    int exponent = 0;
    std::frexp(value, &exponent);
    exponent = value == 0 ? format.smallestExponent : std::max(exponent - 1, format.smallestExponent);
    // Units of the last place, leading one included; a carry out of them raises the exponent, as it should.
    double units = std::nearbyint(std::ldexp(std::fabs(value), format.fractionBits - exponent));
    double bits = units + std::ldexp(exponent - format.smallestExponent, format.fractionBits);
    magnitude = static_cast<uint32_t>(std::min<double>(bits, magnitude));
  }
  return static_cast<uint16_t>(sign | magnitude);
}

template <typename T>
static T load(const void *array, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char *>(array) + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

template <typename T>
static void store(void *array, int64_t index, T value) {
  std::memcpy(static_cast<char *>(array) + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
}

double keops::runtime::readElement(DType type, const void *array, int64_t index) {
  switch (type) {
  case DType::F32:
    return load<float>(array, index);
  case DType::F64:
    return load<double>(array, index);
  case DType::I64:
    return static_cast<double>(load<int64_t>(array, index));
  case DType::F16:
    return decode(load<uint16_t>(array, index), kHalf);
  case DType::BF16:
    return decode(load<uint16_t>(array, index), kBFloat);
  case DType::C64:
  case DType::C128:
    break;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

void keops::runtime::writeElement(DType type, void *array, int64_t index, double value) {
  switch (type) {
  case DType::F32:
    return store(array, index, static_cast<float>(value));
  case DType::F64:
    return store(array, index, value);
  case DType::I64:
    return store(array, index, static_cast<int64_t>(value));
  case DType::F16:
    return store(array, index, encode(value, kHalf));
  case DType::BF16:
    return store(array, index, encode(value, kBFloat));
  case DType::C64:
  case DType::C128:
    return;
  }
}
