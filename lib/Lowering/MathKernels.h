//===- MathKernels.h - Elementary functions in arithmetic -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A builder with one small method for each kind of machine instruction, so that
// a function written with it reads like its mathematics and its length is its
// cost, and the elementary functions written with it.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_LOWERING_MATHKERNELS_H
#define KEOPS_LIB_LOWERING_MATHKERNELS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"

namespace keops {

/// Whether the kernels below exist for `type`: f32, f64, or a vector of them
/// with one dimension of fixed size.
bool hasMathKernels(mlir::Type type);

/// Builds arithmetic on values of one type, f32 or f64, scalar or vector.
/// "Bits" are integers as wide as the floats.
class MathBuilder {
public:
  using Value = mlir::Value;

  MathBuilder(mlir::OpBuilder &builder, mlir::Location loc, mlir::Type type);

  bool isF32() const { return element.isF32(); }
  /// The value for this element type.
  template <typename T>
  T choose(T forF32, T forF64) const {
    return isF32() ? forF32 : forF64;
  }
  /// Bits of the mantissa without the leading one, and the bias of the exponent.
  int mantissaBits() const { return isF32() ? 23 : 52; }
  int bias() const { return isF32() ? 127 : 1023; }
  /// Adding it rounds |x| < 2^(mantissaBits-2) to an integer, which is then
  /// found in the low bits: 1.5 · 2^mantissaBits.
  double magic() const { return isF32() ? 0x1.8p23 : 0x1.8p52; }

  Value constant(double value);
  Value bitsConstant(uint64_t value);

  Value add(Value a, Value b);
  Value sub(Value a, Value b);
  Value mul(Value a, Value b);
  Value div(Value a, Value b);
  Value neg(Value a);
  Value abs(Value a);
  Value sqrt(Value a);
  Value trunc(Value a);
  /// a · b + c with one rounding.
  Value fma(Value a, Value b, Value c);

  /// Comparisons are false when an operand is NaN.
  Value less(Value a, Value b);
  Value equal(Value a, Value b);
  Value select(Value condition, Value a, Value b);
  /// Bounds that let NaN through. The constant comes first in the comparison and
  /// in the selection, which is what minps and maxps compute.
  Value atLeast(Value x, double low);
  Value atMost(Value x, double high);

  Value toBits(Value x);
  Value fromBits(Value bits);
  Value addBits(Value a, Value b);
  Value subBits(Value a, Value b);
  Value andBits(Value a, Value b);
  Value orBits(Value a, Value b);
  Value xorBits(Value a, Value b);
  Value shiftLeft(Value bits, int by);
  Value shiftRight(Value bits, int by);

  /// c[0] + c[1] x + c[2] x² + …, by Horner's rule: one fma each.
  Value polynomial(Value x, llvm::ArrayRef<double> coefficients);

  /// Whether the three functions below exist for the type on AVX-512.
  bool fitsScalef() const;
  /// x · 2^floor(n); n may be infinite or NaN, the result denormal.
  Value scalef(Value x, Value n);
  /// x − floor(x), and 0 for an infinite x.
  Value fractionAbove(Value x);
  /// The one of x and the positive `bound` that is closer to 0, with the sign of
  /// x; the bound when x is NaN.
  Value clampMagnitude(Value x, double bound);

private:
  /// Calls an AVX-512 intrinsic on as many lanes at a time as registers hold.
  /// `immediate` comes after the operands.
  Value callAvx512(llvm::StringRef name, llvm::ArrayRef<Value> operands, std::optional<int> immediate,
                   bool hasRounding);

  mlir::ImplicitLocOpBuilder b;
  mlir::Type type, element, bitsType;
};

/// e^x or 2^x.
enum class ExpBase { E, Two };
/// e^x or 2^x, for all x, or if it is never positive for x ≤ 32 or NaN. With
/// `plainNaNs` only NaNs without payload are right.
mlir::Value emitExp(MathBuilder &m, mlir::Value x, ExpBase base, bool neverPositive, bool plainNaNs);
/// The same on AVX-512, where `m.fitsScalef()`.
mlir::Value emitExpWithScalef(MathBuilder &m, mlir::Value x, ExpBase base);
/// The logarithm of x to base e or 2.
mlir::Value emitLog(MathBuilder &m, mlir::Value x, ExpBase base);
/// The natural logarithm of 1 + x.
mlir::Value emitLogOnePlus(MathBuilder &m, mlir::Value x);
mlir::Value emitRsqrt(MathBuilder &m, mlir::Value x);
/// The nearest integer, halves away from zero.
mlir::Value emitRound(MathBuilder &m, mlir::Value x);

/// Sine or cosine for |x| ≤ `trigonometricRange`; beyond, the result means nothing.
enum class Trigonometric { Sin, Cos };
mlir::Value emitTrigonometric(MathBuilder &m, mlir::Value x, Trigonometric function);
double trigonometricRange(const MathBuilder &m);

} // namespace keops

#endif // KEOPS_LIB_LOWERING_MATHKERNELS_H
