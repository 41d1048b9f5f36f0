//===- MathKernels.cpp - Elementary functions in arithmetic -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every function reduces its argument with exact or fused operations, evaluates
// one polynomial, and puts the result together so that infinities, NaN and
// denormal numbers come out right without a branch.
//
// All coefficients are our own fits: minimax in relative error, by weighted
// least squares whose weights follow the error (Lawson's iteration) in 45 digits,
// rounded one after the other from the lowest degree up, the rest fitted again
// after each. The error stated beside a table is that of the rounded polynomial
// in exact arithmetic, in units of the last place of 1 (2^-23 and 2^-52).
//
//===----------------------------------------------------------------------===//

#include "MathKernels.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/Twine.h"

#include <cmath>
#include <limits>

using namespace mlir;
using namespace keops;
using llvm::ArrayRef;

bool keops::hasMathKernels(Type type) {
  if (auto vector = dyn_cast<VectorType>(type)) {
    if (vector.getRank() != 1 || vector.isScalable())
      return false;
    type = vector.getElementType();
  }
  return type.isF32() || type.isF64();
}

//===----------------------------------------------------------------------===//
// The builder
//===----------------------------------------------------------------------===//

MathBuilder::MathBuilder(OpBuilder &builder, Location loc, Type type)
    : b(loc, builder), type(type), element(getElementTypeOrSelf(type)) {
  Type integer = b.getIntegerType(element.getIntOrFloatBitWidth());
  auto vector = dyn_cast<VectorType>(type);
  bitsType = vector ? Type(vector.clone(integer)) : integer;
}

static Value splat(ImplicitLocOpBuilder &b, Type type, TypedAttr value) {
  if (auto vector = dyn_cast<VectorType>(type))
    value = DenseElementsAttr::get(vector, Attribute(value));
  return arith::ConstantOp::create(b, value);
}

Value MathBuilder::constant(double value) { return splat(b, type, b.getFloatAttr(element, value)); }
Value MathBuilder::bitsConstant(uint64_t value) {
  Type integer = getElementTypeOrSelf(bitsType);
  return splat(b, bitsType, b.getIntegerAttr(integer, APInt(integer.getIntOrFloatBitWidth(), value)));
}

Value MathBuilder::add(Value x, Value y) { return arith::AddFOp::create(b, x, y); }
Value MathBuilder::sub(Value x, Value y) { return arith::SubFOp::create(b, x, y); }
Value MathBuilder::mul(Value x, Value y) { return arith::MulFOp::create(b, x, y); }
Value MathBuilder::div(Value x, Value y) { return arith::DivFOp::create(b, x, y); }
Value MathBuilder::neg(Value x) { return arith::NegFOp::create(b, x); }
Value MathBuilder::abs(Value x) { return math::AbsFOp::create(b, x); }
Value MathBuilder::sqrt(Value x) { return math::SqrtOp::create(b, x); }
Value MathBuilder::trunc(Value x) { return math::TruncOp::create(b, x); }
Value MathBuilder::fma(Value x, Value y, Value z) { return math::FmaOp::create(b, x, y, z); }

Value MathBuilder::less(Value x, Value y) { return arith::CmpFOp::create(b, arith::CmpFPredicate::OLT, x, y); }
Value MathBuilder::equal(Value x, Value y) { return arith::CmpFOp::create(b, arith::CmpFPredicate::OEQ, x, y); }
Value MathBuilder::select(Value condition, Value x, Value y) { return arith::SelectOp::create(b, condition, x, y); }
Value MathBuilder::atLeast(Value x, double low) {
  Value bound = constant(low);
  return select(arith::CmpFOp::create(b, arith::CmpFPredicate::OGT, bound, x), bound, x);
}
Value MathBuilder::atMost(Value x, double high) {
  Value bound = constant(high);
  return select(less(bound, x), bound, x);
}

Value MathBuilder::toBits(Value x) { return arith::BitcastOp::create(b, bitsType, x); }
Value MathBuilder::fromBits(Value x) { return arith::BitcastOp::create(b, type, x); }
Value MathBuilder::addBits(Value x, Value y) { return arith::AddIOp::create(b, x, y); }
Value MathBuilder::subBits(Value x, Value y) { return arith::SubIOp::create(b, x, y); }
Value MathBuilder::andBits(Value x, Value y) { return arith::AndIOp::create(b, x, y); }
Value MathBuilder::orBits(Value x, Value y) { return arith::OrIOp::create(b, x, y); }
Value MathBuilder::xorBits(Value x, Value y) { return arith::XOrIOp::create(b, x, y); }
Value MathBuilder::shiftLeft(Value x, int by) { return arith::ShLIOp::create(b, x, bitsConstant(by)); }
Value MathBuilder::shiftRight(Value x, int by) { return arith::ShRUIOp::create(b, x, bitsConstant(by)); }

Value MathBuilder::polynomial(Value x, ArrayRef<double> coefficients) {
  Value sum = constant(coefficients.back());
  for (double coefficient : llvm::reverse(coefficients.drop_back()))
    sum = fma(sum, x, constant(coefficient));
  return sum;
}

//===----------------------------------------------------------------------===//
// AVX-512
//===----------------------------------------------------------------------===//

bool MathBuilder::fitsScalef() const {
  auto vector = dyn_cast<VectorType>(type);
  return vector && vector.getNumElements() * element.getIntOrFloatBitWidth() % 128 == 0;
}

Value MathBuilder::scalef(Value x, Value n) { return callAvx512("scalef", {x, n}, std::nullopt, /*hasRounding=*/true); }

Value MathBuilder::fractionAbove(Value x) {
  // Round down, to whole numbers, and do not report inexact results.
  return callAvx512("reduce", {x}, /*immediate=*/0x9, /*hasRounding=*/false);
}

Value MathBuilder::clampMagnitude(Value x, double bound) {
  // The smaller magnitude, the sign of the first operand.
  return callAvx512("range", {x, constant(bound)}, /*immediate=*/0x2, /*hasRounding=*/false);
}

Value MathBuilder::callAvx512(llvm::StringRef name, ArrayRef<Value> operands, std::optional<int> immediate,
                              bool hasRounding) {
  int64_t width = element.getIntOrFloatBitWidth();
  int64_t lanes = cast<VectorType>(type).getNumElements();
  int64_t bits = 512;
  while (lanes * width % bits != 0)
    bits /= 2;
  int64_t chunk = bits / width;
  auto chunkType = VectorType::get({chunk}, element);
  auto intrinsic = b.getStringAttr("llvm.x86.avx512.mask." + name + (isF32() ? ".ps." : ".pd.") + Twine(bits));
  auto integer = [&](int bitWidth, int64_t value) -> Value {
    return LLVM::ConstantOp::create(b, b.getIntegerAttr(b.getIntegerType(bitWidth), value));
  };
  // Round as usual: the operand that the 512-bit forms have for it.
  constexpr int currentDirection = 4;

  Value result = chunk == lanes ? Value() : Value(ub::PoisonOp::create(b, type));
  for (int64_t first = 0; first < lanes; first += chunk) {
    SmallVector<Value> arguments;
    for (Value operand : operands)
      arguments.push_back(
          chunk == lanes ? operand
                         : vector::ExtractStridedSliceOp::create(b, operand, first, chunk, int64_t(1)).getResult());
    Value unmasked = arguments.front();
    if (immediate)
      arguments.push_back(integer(32, *immediate));
    arguments.push_back(unmasked);
    arguments.push_back(integer(chunk == 16 ? 16 : 8, -1));
    if (bits == 512)
      arguments.push_back(integer(32, currentDirection));
    Value part = LLVM::CallIntrinsicOp::create(b, chunkType, intrinsic, arguments).getResult(0);
    result =
        chunk == lanes ? part : vector::InsertStridedSliceOp::create(b, part, result, first, int64_t(1)).getResult();
  }
  return result;
}

//===----------------------------------------------------------------------===//
// Exponentials
//
//   e^x = 2^k e^r,  k = round(x / ln 2),  |r| ≤ ln 2 / 2
//
// The result may be denormal, but a power of two with that exponent cannot be
// made by filling an exponent field. So the power is multiplied in two exact
// factors and the second product rounds, once:
//
//   x ≤ 0:  e^x = (e^r · 2^(k + shift)) · 2^-shift, with a constant shift: no
//           exponent is too small then, and above 0 there is room until k + shift
//           is too large; the first product adds to the exponent;
//   any x:  k is even, e^x = (e^r · 2^(k/2)) · 2^(k/2), for twice the range of r
//           and two terms more of the polynomial.
//===----------------------------------------------------------------------===//

/// Terms of e^r for |r| ≤ ln 2 / 2, or 2^f for |f| ≤ 1/2; `wide` for twice that range.
static ArrayRef<double> expCoefficients(const MathBuilder &m, ExpBase base, bool wide) {
  // Error 1.07 where all numbers between 1/√2 and √2 count in their own last place.
  static const double eNarrowF32[] = {
      1.0, 0.999999463558197, 0.49999144673347473, 0.16668173670768738, 0.04189855605363846, 0.008262659423053265};
  // Error 0.12.
  static const double eWideF32[] = {1.0,
                                    1.0,
                                    0.5000003576278687,
                                    0.166666179895401,
                                    0.041661228984594345,
                                    0.008335934951901436,
                                    0.0014104777947068214,
                                    0.00019629750750027597};
  // Error 0.017.
  static const double eNarrowF64[] = {1.0,
                                      1.0,
                                      0.5000000000000011,
                                      0.16666666666666458,
                                      0.04166666666652833,
                                      0.008333333333473787,
                                      0.0013888888943881558,
                                      0.0001984126954087681,
                                      2.4801492948199477e-05,
                                      2.7557561780537087e-06,
                                      2.76302828011256e-07,
                                      2.5006534302176225e-08};
  // Error 0.043.
  static const double eWideF64[] = {1.0,
                                    0.9999999999999999,
                                    0.4999999999999992,
                                    0.16666666666667268,
                                    0.04166666666670386,
                                    0.008333333333234993,
                                    0.0013888888883402128,
                                    0.00019841269910276033,
                                    2.4801590904576438e-05,
                                    2.7557296129027084e-06,
                                    2.7556143656158166e-07,
                                    2.5055615359949807e-08,
                                    2.1063360727859274e-09,
                                    1.5906097399321683e-10};
  // Error 1.06, as for e^r.
  static const double twoNarrowF32[] = {
      1.0, 0.693146824836731, 0.24022234976291656, 0.05550897493958473, 0.009671892039477825, 0.0013224146096035838};
  // Error 0.11.
  static const double twoWideF32[] = {1.0,
                                      0.6931472420692444,
                                      0.24022668600082397,
                                      0.055503662675619125,
                                      0.00961684063076973,
                                      0.0013341624289751053,
                                      0.00015645749226678163,
                                      1.4923220987839159e-05};
  // Error 0.018.
  static const double twoNarrowF64[] = {1.0,
                                        0.6931471805599453,
                                        0.2402265069591011,
                                        0.055504108664821784,
                                        0.009618129107600766,
                                        0.0013333558146532037,
                                        0.00015403530449944336,
                                        1.5252733646107809e-05,
                                        1.321543841913819e-06,
                                        1.0178155490709113e-07,
                                        7.073301548990143e-09,
                                        4.4395007222198895e-10};
  // Error 0.043.
  static const double twoWideF64[] = {1.0,
                                      0.6931471805599453,
                                      0.2402265069591003,
                                      0.05550410866482283,
                                      0.009618129107637421,
                                      0.0013333558146309068,
                                      0.00015403530387158104,
                                      1.5252733847784366e-05,
                                      1.3215488734736347e-06,
                                      1.017807868158223e-07,
                                      7.054608573778453e-09,
                                      4.446082102881065e-10,
                                      2.5908635045733903e-11,
                                      1.3581582735279816e-12};
  using Table = ArrayRef<double>;
  if (base == ExpBase::E)
    return wide ? m.choose(Table(eWideF32), Table(eWideF64)) : m.choose(Table(eNarrowF32), Table(eNarrowF64));
  return wide ? m.choose(Table(twoWideF32), Table(twoWideF64)) : m.choose(Table(twoNarrowF32), Table(twoNarrowF64));
}

/// What is left of x after `multiple` times the constant `period`, which is
/// given in parts, largest first: exact until the last bits.
static Value reduce(MathBuilder &m, Value x, Value multiple, ArrayRef<double> periodParts) {
  for (double part : periodParts)
    x = m.fma(multiple, m.constant(-part), x);
  return x;
}

// ln 2 in two parts, the nearest numbers.
static ArrayRef<double> ln2Parts(const MathBuilder &m) {
  static const double f32[] = {0.6931471824645996, -1.9046542121259336e-09};
  static const double f64[] = {0.6931471805599453, 2.3190468138462996e-17};
  return m.choose(ArrayRef<double>(f32), ArrayRef<double>(f64));
}

Value keops::emitExp(MathBuilder &m, Value x, ExpBase base, bool neverPositive, bool plainNaNs) {
  bool natural = base == ExpBase::E;
  // Below, the result rounds to 0; above, it is infinite.
  x = m.atLeast(x, natural ? m.choose(-104.5, -746.0) : m.choose(-150.5, -1075.5));
  if (!neverPositive)
    x = m.atMost(x, natural ? m.choose(89.0, 710.0) : m.choose(128.0, 1024.0));

  // The added constant rounds to an integer, which is then found in the low bits:
  // the exponent that is added below, or the exponent field of a power of two.
  double period = neverPositive ? 1 : 2;
  int shift = m.choose(64, 512);
  Value magic = m.constant(m.magic() + (neverPositive ? shift : m.bias()));
  double factor = (natural ? M_LOG2E : 1.0) / period;
  Value rounded = factor == 1 ? m.add(x, magic) : m.fma(x, m.constant(factor), magic);
  Value k = m.sub(rounded, magic);
  Value exponent = m.shiftLeft(m.toBits(rounded), m.mantissaBits());

  Value r;
  if (natural) {
    ArrayRef<double> ln2 = ln2Parts(m);
    r = reduce(m, x, k, {period * ln2[0], period * ln2[1]});
  } else {
    r = period == 1 ? m.sub(x, k) : m.fma(k, m.constant(-period), x);
  }
  Value p = m.polynomial(r, expCoefficients(m, base, /*wide=*/!neverPositive));
  if (!neverPositive) {
    Value power = m.fromBits(exponent);
    return m.mul(m.mul(p, power), power);
  }
  // Added as an integer: a multiplication less for the units that have the most
  // to do. A NaN's low bits, which moved up too, may make a number of it; then
  // r − r, which is 0 or that NaN, restores it.
  Value lifted = m.fromBits(m.addBits(m.toBits(p), exponent));
  Value unlift = m.constant(std::ldexp(1.0, -shift));
  return plainNaNs ? m.mul(lifted, unlift) : m.fma(lifted, unlift, m.sub(r, r));
}

// Scaling takes any exponent here, even an infinite one, and rounds to denormal
// numbers. Only the polynomial must be kept finite and positive for it.
Value keops::emitExpWithScalef(MathBuilder &m, Value x, ExpBase base) {
  if (base == ExpBase::Two) {
    // 2^x = 2^floor(x) 2^f, 0 ≤ f ≤ 1. Error 0.018 and 0.015.
    static const double f32[] = {1.0,
                                 0.6931470632553101,
                                 0.24022908508777618,
                                 0.05548618361353874,
                                 0.009673775173723698,
                                 0.0012482289457693696,
                                 0.000215659718378447};
    static const double f64[] = {1.0,
                                 0.693147180559946,
                                 0.24022650695906198,
                                 0.05550410866562731,
                                 0.00961812909931933,
                                 0.0013333558641739002,
                                 0.0001540351191682802,
                                 1.5253183103970838e-05,
                                 1.3208262278213173e-06,
                                 1.0254057199270591e-07,
                                 6.5557114685960136e-09,
                                 6.27088000509945e-10};
    Value f = m.fractionAbove(x);
    return m.scalef(m.polynomial(f, m.choose(ArrayRef<double>(f32), ArrayRef<double>(f64))), x);
  }
  Value magic = m.constant(m.magic());
  Value k = m.sub(m.fma(x, m.constant(M_LOG2E), magic), magic);
  // Beyond the range of the result r means nothing and may be large or NaN.
  Value r = m.clampMagnitude(reduce(m, x, k, ln2Parts(m)), 1.0);
  return m.scalef(m.polynomial(r, expCoefficients(m, base, /*wide=*/false)), k);
}

//===----------------------------------------------------------------------===//
// Logarithms
//
//   log x = k ln 2 + log(1 + f),  x = 2^k (1 + f),  √½ ≤ 1 + f < √2
//
// so that there is no cancellation: k = 0 around 1, and |log(1 + f)| is at most
// half of |k ln 2| elsewhere.
//===----------------------------------------------------------------------===//

/// log(1 + f).
static Value emitLog1p(MathBuilder &m, Value f) {
  if (m.isF32()) {
    // log(1 + f) = f + f² (-1/2 + f P(f)). Error 0.049.
    static const double coefficients[] = {-0.5,
                                          0.3333333134651184,
                                          -0.2500081956386566,
                                          0.2000124156475067,
                                          -0.166234090924263,
                                          0.14201579988002777,
                                          -0.13159610331058502,
                                          0.12762212753295898,
                                          -0.07636427879333496};
    return m.fma(m.mul(f, f), m.polynomial(f, coefficients), f);
  }
  // log(1 + f) = 2 artanh(s) = 2 s + s³ R(s²) for s = f / (2 + f), where 2 s = f - s f
  // and s f = f²/2 - s f²/2; the large part f is then exact. Error 0.006.
  static const double coefficients[] = {0.6666666666666734,  0.39999999999416413, 0.2857142874211288, 0.222221985936696,
                                        0.18183563558713842, 0.15314064180835235, 0.1479586293720164};
  Value s = m.div(f, m.add(f, m.constant(2.0)));
  Value z = m.mul(s, s);
  Value half = m.mul(m.mul(f, f), m.constant(0.5));
  Value tail = m.fma(z, m.polynomial(z, coefficients), half);
  return m.sub(f, m.sub(half, m.mul(s, tail)));
}

Value keops::emitLog(MathBuilder &m, Value x, ExpBase base) {
  int p = m.mantissaBits();
  // Denormal numbers become normal, and their exponent is corrected below.
  int lift = p + 1;
  Value denormal = m.less(x, m.constant(m.choose(0x1p-126, 0x1p-1022)));
  Value normal = m.select(denormal, m.mul(x, m.constant(std::ldexp(1.0, lift))), x);

  // Moving the bits up by 1 - √½ makes the exponent field change at √½ instead of 1.
  uint64_t one = uint64_t(m.bias()) << p;
  uint64_t low = m.choose(uint64_t(0x3f3504f3), uint64_t(0x3fe6a09e667f3bcd));
  Value moved = m.addBits(m.toBits(normal), m.bitsConstant(one - low));
  Value mantissa = m.andBits(moved, m.bitsConstant((uint64_t(1) << p) - 1));
  Value f = m.sub(m.fromBits(m.addBits(mantissa, m.bitsConstant(low))), m.constant(1.0));

  // The exponent as a float: in the low bits of 2^p, which is subtracted again.
  double unit = std::ldexp(1.0, p);
  uint64_t unitBits = uint64_t(m.bias() + p) << p;
  Value exponent = m.fromBits(m.orBits(m.shiftRight(moved, p), m.bitsConstant(unitBits)));
  Value offset = m.select(denormal, m.constant(unit + m.bias() + lift), m.constant(unit + m.bias()));
  Value k = m.sub(exponent, offset);

  Value tail = emitLog1p(m, f);
  Value result = base == ExpBase::E ? m.fma(k, m.constant(M_LN2), tail) : m.fma(tail, m.constant(M_LOG2E), k);

  // ±0 gives -inf, a negative number or NaN gives NaN, infinity itself.
  double infinity = std::numeric_limits<double>::infinity();
  Value zero = m.constant(0.0), inf = m.constant(infinity);
  Value notPositive =
      m.select(m.equal(x, zero), m.constant(-infinity), m.constant(std::numeric_limits<double>::quiet_NaN()));
  result = m.select(m.less(x, inf), result, inf);
  return m.select(m.less(zero, x), result, notPositive);
}

Value keops::emitLogOnePlus(MathBuilder &m, Value x) {
  // w = 1 + x is rounded; the derivative of the logarithm gives back what x - (w - 1) says was lost.
  Value one = m.constant(1.0), w = m.add(one, x);
  Value lost = m.sub(x, m.sub(w, one));
  Value log = emitLog(m, w, ExpBase::E);
  Value result = m.add(log, m.div(lost, w));
  result = m.select(m.equal(w, one), x, result); // also −0
  // Where w is 0, infinite or NaN, nothing is lost.
  Value inf = m.constant(std::numeric_limits<double>::infinity());
  return m.select(m.less(m.constant(0.0), w), m.select(m.less(w, inf), result, x), log);
}

//===----------------------------------------------------------------------===//
// Sine and cosine
//
//   sin x = (-1)^k sin r,  x = k π + r;    cos x = (-1)^k sin r,  x = (k + ½) π - r
//
// One odd polynomial serves |r| ≤ π/2. π in three parts holds k π to more bits
// than any number of the range comes close to a multiple of π/2. The parts are
// rounded down, so all are positive, and -0 - 0 π is -0.
//===----------------------------------------------------------------------===//

double keops::trigonometricRange(const MathBuilder &m) { return m.choose(0x1p17, 0x1p28); }

Value keops::emitTrigonometric(MathBuilder &m, Value x, Trigonometric function) {
  static const double piF32[] = {3.141592502593994, 1.5099578831723193e-07, 1.078060505991553e-14};
  static const double piF64[] = {3.141592653589793, 1.224646799147353e-16, 2.1657133478438256e-32};
  // sin r = r (1 + Q(r²)), with 1 + Q split into 3/4, whose product with r rounds
  // only with the sum, and a rest of small magnitude. Error 0.056 and 0.0013.
  constexpr double large = 0.75, rest = 0.25;
  static const double f32[] = {rest, -0.16666659712791443, 0.00833306647837162, -0.00019809440709650517,
                               2.605140480227419e-06};
  static const double f64[] = {rest,
                               -0.16666666666666666,
                               0.008333333333333207,
                               -0.0001984126984121248,
                               2.7557319211569453e-06,
                               -2.5052106904412636e-08,
                               1.605894100111777e-10,
                               -7.643019315395677e-13,
                               2.721418613260805e-15};
  ArrayRef<double> pi = m.choose(ArrayRef<double>(piF32), ArrayRef<double>(piF64));
  ArrayRef<double> coefficients = m.choose(ArrayRef<double>(f32), ArrayRef<double>(f64));

  Value magic = m.constant(m.magic());
  Value inversePi = m.constant(M_1_PI);
  Value rounded, r;
  if (function == Trigonometric::Sin) {
    rounded = m.fma(x, inversePi, magic);
    r = reduce(m, x, m.sub(rounded, magic), pi);
  } else {
    rounded = m.add(m.fma(x, inversePi, m.constant(-0.5)), magic);
    Value multiple = m.add(m.sub(rounded, magic), m.constant(0.5));
    r = m.fma(multiple, m.constant(pi[0]), m.neg(x));
    r = m.fma(multiple, m.constant(pi[1]), r);
    r = m.fma(multiple, m.constant(pi[2]), r);
  }
  Value square = m.mul(r, r);
  Value result = m.fma(r, m.constant(large), m.mul(r, m.polynomial(square, coefficients)));
  Value sign = m.shiftLeft(m.toBits(rounded), m.choose(31, 63));
  return m.fromBits(m.xorBits(m.toBits(result), sign));
}

//===----------------------------------------------------------------------===//
// Roots and rounding
//===----------------------------------------------------------------------===//

Value keops::emitRsqrt(MathBuilder &m, Value x) { return m.div(m.constant(1.0), m.sqrt(x)); }

Value keops::emitRound(MathBuilder &m, Value x) {
  // Adding 1/2 itself would round 1/2 - ulp up to 1. With the number below 1/2
  // all halves still reach the next integer, by rounding to even.
  double belowHalf = m.choose(0x1.fffffep-2, 0x1.fffffffffffffp-2);
  uint64_t signBit = uint64_t(1) << m.choose(31, 63);
  Value sign = m.andBits(m.toBits(x), m.bitsConstant(signBit));
  Value half = m.fromBits(m.orBits(sign, m.toBits(m.constant(belowHalf))));
  return m.trunc(m.add(x, half));
}
