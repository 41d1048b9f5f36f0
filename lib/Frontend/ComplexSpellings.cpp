//===- ComplexSpellings.cpp - Complex arithmetic in real ops ------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A complex vector is a real vector (re, im, re, im, …). It is taken apart, all
// arithmetic is done on the two real vectors, and the result is put together;
// a part of what has just been put together is what it was made of, so no ops
// are left between two complex operations.
//
//===----------------------------------------------------------------------===//

#include "CoreOps.h"

using namespace keops;
using namespace keops::frontend;

namespace {
/// Real and imaginary parts; both are null after an error.
struct Complex {
  Value re, im;
  explicit operator bool() const { return re && im; }
};
} // namespace

//===----------------------------------------------------------------------===//
// Apart and together
//===----------------------------------------------------------------------===//

static Value join(Emitter &e, Complex z) { return e.emit<InterleaveOp>({z.re, z.im}); }

/// The parts of a vector of even dimension.
static Complex split(Emitter &e, Value z) {
  if (!z)
    return {};
  if (auto pair = z.getDefiningOp<InterleaveOp>())
    return {pair.getLhs(), pair.getRhs()};
  if (dimOf(z) % 2 != 0) {
    e.fail("expects a complex vector, whose dimension is even, got dimension " + llvm::Twine(dimOf(z)));
    return {};
  }
  return {e.emit<DeinterleaveOp>(z, e.named("part", 0)), e.emit<DeinterleaveOp>(z, e.named("part", 1))};
}
static Complex argument(Emitter &e, size_t index) { return split(e, e.operand(index)); }

/// The two arguments, if one is a complex scalar or they have equal dimensions.
static std::pair<Complex, Complex> arguments(Emitter &e) {
  Complex f = argument(e, 0), g = argument(e, 1);
  if (!f || !g)
    return {};
  int64_t a = dimOf(f.re), b = dimOf(g.re);
  if (a == b || a == 1 || b == 1)
    return {f, g};
  e.fail("expects complex vectors of equal dimensions, or one of dimension 2, got dimensions " + llvm::Twine(2 * a) +
         " and " + llvm::Twine(2 * b));
  return {};
}

//===----------------------------------------------------------------------===//
// Arithmetic
//===----------------------------------------------------------------------===//

static Complex multiply(Emitter &e, Complex f, Complex g) {
  return {sub(e, mul(e, f.re, g.re), mul(e, f.im, g.im)), add(e, mul(e, f.re, g.im), mul(e, f.im, g.re))};
}
static Complex scale(Emitter &e, Value factor, Complex z) { return {mul(e, factor, z.re), mul(e, factor, z.im)}; }
static Complex conjugate(Emitter &e, Complex z) { return {z.re, neg(e, z.im)}; }
static Value squareAbs(Emitter &e, Complex z) { return add(e, mul(e, z.re, z.re), mul(e, z.im, z.im)); }
static Value absolute(Emitter &e, Complex z) { return e.emit<SqrtOp>(squareAbs(e, z)); }
static Value angle(Emitter &e, Complex z) { return e.emit<Atan2Op>({z.im, z.re}); }
/// r (cos a, sin a).
static Complex polar(Emitter &e, Value r, Value a) {
  return {mul(e, r, e.emit<CosOp>(a)), mul(e, r, e.emit<SinOp>(a))};
}
static Complex inverse(Emitter &e, Complex z) {
  Value square = squareAbs(e, z);
  return {div(e, z.re, square), div(e, neg(e, z.im), square)};
}

static Complex divide(Emitter &e, Complex f, Complex g) {
  Complex product = multiply(e, f, conjugate(e, g));
  Value square = squareAbs(e, g);
  return {div(e, product.re, square), div(e, product.im, square)};
}

/// A binary operation on both arguments.
template <Complex (*operation)(Emitter &, Complex, Complex)>
static Value binary(Emitter &e) {
  auto [f, g] = arguments(e);
  return join(e, operation(e, f, g));
}
static Complex plus(Emitter &e, Complex f, Complex g) { return {add(e, f.re, g.re), add(e, f.im, g.im)}; }
static Complex minus(Emitter &e, Complex f, Complex g) { return {sub(e, f.re, g.re), sub(e, f.im, g.im)}; }

/// A complex scalar and a complex vector.
static Value complexScale(Emitter &e) {
  return expectDim(e, "a complex scalar", e.operand(0), 2) ? binary<multiply>(e) : Value();
}

/// A real scalar and a complex vector, in either order.
static Value realScale(Emitter &e) {
  Value f = e.operand(0), g = e.operand(1);
  if (!f || !g)
    return {};
  if (dimOf(f) != 1 && dimOf(g) != 1)
    return e.fail("expects one real number, of dimension 1, and a complex vector, got dimensions " +
                  llvm::Twine(dimOf(f)) + " and " + llvm::Twine(dimOf(g)));
  bool first = dimOf(f) == 1;
  return join(e, scale(e, first ? f : g, split(e, first ? g : f)));
}

static Value total(Emitter &e) {
  Complex z = argument(e, 0);
  return join(e, {sum(e, z.re), sum(e, z.im)});
}

/// A complex scalar replicated to a given real dimension.
static Value replicate(Emitter &e) {
  int64_t dim = e.integer(1);
  if (!expectDim(e, "a complex scalar", e.operand(0), 2))
    return {};
  if (dim < 2 || dim > maxDim || dim % 2 != 0)
    return e.fail("expects the even dimension of a complex vector, got " + llvm::Twine(dim));
  Complex z = argument(e, 0);
  return join(e, {broadcast(e, z.re, dim / 2), broadcast(e, z.im, dim / 2)});
}

//===----------------------------------------------------------------------===//
// Functions, with principal branches: angles are in (−π, π]
//===----------------------------------------------------------------------===//

static Complex logarithm(Emitter &e, Complex z) {
  return {mul(e, e.constant(0.5), log(e, squareAbs(e, z))), angle(e, z)};
}

/// The root with a non-negative real part, without the difference of nearly equal numbers.
static Complex squareRoot(Emitter &e, Complex z) {
  Value zero = e.constant(0), half = e.constant(0.5);
  Value large = e.emit<SqrtOp>(mul(e, half, add(e, absolute(e, z), e.emit<AbsOp>(z.re))));
  Value isZero = compare(e, Comparison::EQ, large, zero);
  Value small = select(e, isZero, zero, div(e, mul(e, half, z.im), large));
  Value negative = less(e, z.re, zero), below = less(e, z.im, zero);
  return {select(e, negative, select(e, below, neg(e, small), small), large),
          select(e, negative, select(e, below, neg(e, large), large), small)};
}

/// z^n by repeated squaring: exact for small Gaussian integers.
static Complex integerPower(Emitter &e, Complex z, int64_t n) {
  if (n == 0)
    return {e.constant(1, dimOf(z.re)), e.constant(0, dimOf(z.re))};
  Complex square = n < 0 ? inverse(e, z) : z, result;
  for (uint64_t left = std::abs(n);; left >>= 1) {
    if (left & 1)
      result = result ? multiply(e, result, square) : square;
    if (left <= 1)
      return result;
    square = multiply(e, square, square);
  }
}

/// exp(w log z). A real exponent has dimension 1, a complex one is a complex vector.
static Value power(Emitter &e) {
  // Beyond, rounding errors of the product are no smaller than those of the logarithm.
  constexpr int64_t largestProduct = 64;
  Value exponent = e.operand(1);
  if (!exponent)
    return {};
  std::optional<double> number = e.number(1);
  if (number && std::abs(*number) <= largestProduct && *number == std::floor(*number)) {
    Complex z = argument(e, 0);
    return z ? join(e, integerPower(e, z, static_cast<int64_t>(*number))) : Value();
  }
  if (dimOf(exponent) == 1) {
    Complex z = argument(e, 0);
    return join(e, polar(e, e.emit<PowfOp>({absolute(e, z), exponent}), mul(e, exponent, angle(e, z))));
  }
  auto [z, w] = arguments(e);
  Value r = absolute(e, z), a = angle(e, z);
  Value modulus = mul(e, e.emit<PowfOp>({r, w.re}), exp(e, neg(e, mul(e, w.im, a))));
  // A real exponent does not turn by the logarithm, even that of 0.
  Value isReal = compare(e, Comparison::EQ, w.im, e.constant(0));
  Value turn = select(e, isReal, e.constant(0), mul(e, w.im, log(e, r)));
  return join(e, polar(e, modulus, add(e, mul(e, w.re, a), turn)));
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

static Value fromReal(Emitter &e, bool imaginary) {
  Value f = e.operand(0);
  if (!f)
    return {};
  Value zero = e.constant(0, dimOf(f));
  return imaginary ? join(e, {zero, f}) : join(e, {f, zero});
}

llvm::ArrayRef<Spelling> keops::frontend::complexSpellings() {
  static const Spelling table[] = {
      {"Real2Complex", "f", 0, KEOPS_EXPAND(fromReal(e, false))},
      {"Imag2Complex", "f", 0, KEOPS_EXPAND(fromReal(e, true))},
      {"ComplexReal", "f", 0, KEOPS_EXPAND(argument(e, 0).re)},
      {"ComplexImag", "f", 0, KEOPS_EXPAND(argument(e, 0).im)},
      {"Conj", "f", 0, KEOPS_EXPAND(join(e, conjugate(e, argument(e, 0))))},
      {"ComplexAdd", "ff", 0, binary<plus>},
      {"ComplexSubtract", "ff", 0, binary<minus>},
      {"ComplexMult", "ff", 0, binary<multiply>},
      {"ComplexDivide", "ff", 0, binary<divide>},
      {"ComplexScal", "ff", 0, complexScale},
      {"ComplexRealScal", "ff", 0, realScale},
      {"ComplexSquareAbs", "f", 0, KEOPS_EXPAND(squareAbs(e, argument(e, 0)))},
      {"ComplexAbs", "f", 0, KEOPS_EXPAND(absolute(e, argument(e, 0)))},
      {"ComplexAngle", "f", 0, KEOPS_EXPAND(angle(e, argument(e, 0)))},
      {"ComplexExp", "f", 0,
       [](Emitter &e) {
         Complex z = argument(e, 0);
         return join(e, polar(e, exp(e, z.re), z.im));
       }},
      {"ComplexExp1j", "f", 0, KEOPS_EXPAND(join(e, {e.emit<CosOp>(e.operand(0)), e.emit<SinOp>(e.operand(0))}))},
      {"ComplexSum", "f", 0, total},
      {"ComplexSumT", "fi", 0, replicate},
      // Of our own.
      {"ComplexInv", "f", 0, KEOPS_EXPAND(join(e, inverse(e, argument(e, 0))))},
      {"ComplexSquare", "f", 0,
       [](Emitter &e) {
         Complex z = argument(e, 0);
         return join(e, multiply(e, z, z));
       }},
      {"ComplexLog", "f", 0, KEOPS_EXPAND(join(e, logarithm(e, argument(e, 0))))},
      {"ComplexSqrt", "f", 0, KEOPS_EXPAND(join(e, squareRoot(e, argument(e, 0))))},
      {"ComplexPow", "ff", 0, power},
  };
  return table;
}
