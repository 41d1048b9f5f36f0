//===- ElementTest.cpp - Elements of arrays as numbers ----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLVM's own arithmetic on formats says what each of the numbers of 16 bits is,
// and what a double is rounded to.
//
//===----------------------------------------------------------------------===//

#include "keops/Runtime/Element.h"

#include "llvm/ADT/APFloat.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace keops::runtime;
using llvm::APFloat;

namespace {
struct Format {
  DType type;
  const llvm::fltSemantics &semantics;
};
} // namespace

static const Format kFormats[] = {{DType::F16, APFloat::IEEEhalf()}, {DType::BF16, APFloat::BFloat()}};

static uint16_t bitsOf(DType type, double value) {
  uint16_t bits = 0;
  writeElement(type, &bits, 0, value);
  return bits;
}

TEST(ElementTest, ReadsAndWritesEveryNumberOf16Bits) {
  for (const Format &format : kFormats)
    for (uint32_t bits = 0; bits < 0x10000; ++bits) {
      uint16_t stored = static_cast<uint16_t>(bits);
      APFloat exact(format.semantics, llvm::APInt(16, bits));
      double value = readElement(format.type, &stored, 0);
      if (exact.isNaN()) {
        EXPECT_TRUE(std::isnan(value)) << nameOf(format.type) << " " << bits;
        uint16_t again = bitsOf(format.type, value);
        EXPECT_TRUE(APFloat(format.semantics, llvm::APInt(16, again)).isNaN());
        continue;
      }
      bool loses = false;
      exact.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven, &loses);
      EXPECT_EQ(value, exact.convertToDouble()) << nameOf(format.type) << " " << bits;
      EXPECT_EQ(std::signbit(value), exact.isNegative());
      EXPECT_EQ(bitsOf(format.type, value), stored);
    }
}

TEST(ElementTest, RoundsToNearestAndTiesToEven) {
  std::mt19937_64 generator(1);
  for (const Format &format : kFormats) {
    auto check = [&](double value) {
      APFloat rounded(value);
      bool loses = false;
      rounded.convert(format.semantics, APFloat::rmNearestTiesToEven, &loses);
      EXPECT_EQ(bitsOf(format.type, value), rounded.bitcastToAPInt().getZExtValue())
          << nameOf(format.type) << " " << value;
    };
    // Numbers of any size, beyond both ends; then ties and their neighbours between all numbers.
    for (int n = 0; n < 20000; ++n)
      check(std::ldexp(static_cast<double>(generator() >> 11) * 0x1p-53 - 0.5,
                       static_cast<int>(generator() % 320) - 160));
    for (uint32_t bits = 0; bits < 0x7fff; ++bits) {
      uint16_t low = static_cast<uint16_t>(bits), high = static_cast<uint16_t>(bits + 1);
      double tie = (readElement(format.type, &low, 0) + readElement(format.type, &high, 0)) / 2;
      if (!std::isfinite(tie))
        continue;
      for (double value : {tie, std::nextafter(tie, 0.0), std::nextafter(tie, INFINITY), -tie})
        check(value);
    }
    for (double value : {0.0, -0.0, 65504.0, 65519.9, 65520.0, 0x1.fep127, 0x1.ffp127, 0x1.feffp127, 1e300, -1e300,
                         static_cast<double>(INFINITY), -static_cast<double>(INFINITY)})
      check(value);
  }
}

TEST(ElementTest, SizesAndNamesOfTypes) {
  EXPECT_EQ(sizeOf(DType::F16), 2);
  EXPECT_EQ(sizeOf(DType::BF16), 2);
  EXPECT_EQ(sizeOf(DType::I64), 8);
  EXPECT_EQ(sizeOf(DType::C128), 16);
  EXPECT_STREQ(nameOf(DType::BF16), "bfloat16");
  EXPECT_EQ(realType(DType::C64), DType::F32);
  EXPECT_EQ(realType(DType::F16), DType::F16);
  EXPECT_EQ(partsOf(DType::C128), 2);
  EXPECT_EQ(partsOf(DType::I64), 1);
}

/// Elements may lie anywhere.
TEST(ElementTest, NeedsNoAlignment) {
  alignas(8) char memory[32] = {};
  for (DType type : {DType::F32, DType::F64, DType::I64, DType::F16, DType::BF16}) {
    writeElement(type, memory + 1, 2, -3);
    EXPECT_EQ(readElement(type, memory + 1, 2), -3) << nameOf(type);
  }
}
