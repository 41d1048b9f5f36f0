//===- Spellings.cpp - Names that stand for several ops -----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One line per name where the meaning fits a line. What NaN, zeros and ties give
// follows from the order of the comparisons written here.
//
//===----------------------------------------------------------------------===//

#include "CoreOps.h"
#include "Derivatives.h"

#include <cmath>
#include <limits>

using namespace keops;
using namespace keops::frontend;

//===----------------------------------------------------------------------===//
// Pointwise
//===----------------------------------------------------------------------===//

/// What no comparison finds a place for.
static Value notANumber(Emitter &e) { return e.constant(std::numeric_limits<double>::quiet_NaN()); }

static Value sign(Emitter &e) {
  Value x = e.operand(0), zero = e.constant(0);
  Value rest = select(e, compare(e, Comparison::EQ, x, zero), zero, notANumber(e));
  return select(e, less(e, zero, x), e.constant(1), select(e, less(e, x, zero), e.constant(-1), rest));
}

static Value step(Emitter &e) {
  Value x = e.operand(0), zero = e.constant(0);
  Value rest = select(e, compare(e, Comparison::LE, zero, x), e.constant(1), notANumber(e));
  return select(e, less(e, x, zero), zero, rest);
}

static Value rectify(Emitter &e) {
  Value x = e.operand(0), zero = e.constant(0);
  return select(e, less(e, x, zero), zero, x);
}

static Value round(Emitter &e) {
  Value x = e.operand(0);
  int64_t decimals = e.integer(1);
  constexpr int64_t most = 30;
  if (decimals < -most || decimals > most)
    return e.fail("rounds to between -30 and 30 decimals, got " + llvm::Twine(decimals));
  if (decimals == 0)
    return e.emit<RoundOp>(x);
  Value scale = e.constant(std::pow(10.0, std::abs(decimals)));
  if (decimals > 0)
    return div(e, e.emit<RoundOp>(mul(e, x, scale)), scale);
  return mul(e, e.emit<RoundOp>(div(e, x, scale)), scale);
}

static Value power(Emitter &e) {
  Value x = e.operand(0);
  int64_t exponent = e.integer(1);
  if (exponent == -1)
    return div(e, e.constant(1), x);
  if (exponent == 1)
    return x;
  if (exponent == 2)
    return mul(e, x, x);
  return e.emit<IntegerPowOp>(x, e.named("exponent", exponent));
}

/// a where x < a, else b where b < x, else `inside`.
static Value clamp(Emitter &e, Value x, Value a, Value b, Value below, Value above, Value inside) {
  return select(e, less(e, x, a), below, select(e, less(e, b, x), above, inside));
}

static Value clampInteger(Emitter &e) {
  Value x = e.operand(0), a = e.constant(e.integer(1)), b = e.constant(e.integer(2));
  return clamp(e, x, a, b, a, b, x);
}

static Value clampIntegerDerivative(Emitter &e) {
  Value x = e.operand(0), a = e.constant(e.integer(1)), b = e.constant(e.integer(2));
  Value inside = select(e, compare(e, Comparison::LE, a, x), e.constant(1), notANumber(e));
  return clamp(e, x, a, b, e.constant(0), e.constant(0), inside);
}

static Value clampFormula(Emitter &e) {
  Value x = e.operand(0), a = e.operand(1), b = e.operand(2);
  return clamp(e, x, a, b, a, b, x);
}

static Value divide(Emitter &e) {
  if (e.number(1) == 0.0)
    return e.fail("divides by the constant 0");
  return div(e, e.operand(0), e.operand(1));
}

/// f − n⌊(f − d)/n⌋, in [d, d + n) for positive n.
static Value modulo(Emitter &e) {
  Value f = e.operand(0), n = e.operand(1);
  Value shifted = e.size() == 3 ? sub(e, f, e.operand(2)) : f;
  return sub(e, f, mul(e, n, e.emit<FloorOp>(div(e, shifted, n))));
}

static Value ifElse(Emitter &e) {
  Value x = e.operand(0), zero = e.constant(0);
  Value rest = select(e, less(e, x, zero), e.operand(2), notANumber(e));
  return select(e, compare(e, Comparison::LE, zero, x), e.operand(1), rest);
}

/// The comparison of both arguments as 1 or 0.
template <Comparison kind>
static Value comparison(Emitter &e) {
  return indicator(e, compare(e, kind, e.operand(0), e.operand(1)));
}

template <Extremum kind>
static Value extremum(Emitter &e) {
  return fold(e, ExtremumAttr::get(e.builder().getContext(), kind), e.operand(0));
}

//===----------------------------------------------------------------------===//
// Norms and distances
//===----------------------------------------------------------------------===//

static Value scalarProduct(Emitter &e, Value f, Value g) {
  if (!f || !g)
    return {};
  // A scalar factor leaves the sum.
  if (dimOf(f) == 1)
    return mul(e, f, sum(e, g));
  if (dimOf(g) == 1)
    return mul(e, sum(e, f), g);
  return sum(e, mul(e, f, g));
}

static Value squaredNorm(Emitter &e, Value f) { return sum(e, mul(e, f, f)); }
static Value squaredDistance(Emitter &e, Value f, Value g) { return squaredNorm(e, sub(e, f, g)); }

bool keops::frontend::expectDim(Emitter &e, llvm::StringRef what, Value value, int64_t dim) {
  if (!value || dimOf(value) == dim)
    return value != nullptr;
  e.fail("expects " + what + " of dimension " + llvm::Twine(dim) + ", got dimension " + llvm::Twine(dimOf(value)));
  return false;
}

static Value isotropicNorm(Emitter &e, Value scale, Value f) {
  return expectDim(e, "a weight", scale, 1) ? mul(e, scale, squaredNorm(e, f)) : Value();
}

static Value diagonalNorm(Emitter &e, Value scale, Value f) {
  return f && expectDim(e, "weights", scale, dimOf(f)) ? sum(e, mul(e, scale, mul(e, f, f))) : Value();
}

static Value contract(Emitter &e, Value f, Value g, llvm::ArrayRef<int64_t> shapeF, llvm::ArrayRef<int64_t> shapeG,
                      llvm::ArrayRef<int64_t> axesF, llvm::ArrayRef<int64_t> axesG,
                      llvm::ArrayRef<int64_t> permutation) {
  mlir::Builder &b = e.builder();
  auto list = [&](llvm::StringRef name, llvm::ArrayRef<int64_t> values) {
    return b.getNamedAttr(name, b.getDenseI64ArrayAttr(values));
  };
  return e.emit<TensorDotOp>({f, g}, {list("lhs_shape", shapeF), list("rhs_shape", shapeG), list("lhs_contract", axesF),
                                      list("rhs_contract", axesG), list("permutation", permutation)});
}

static Value quadraticForm(Emitter &e, Value matrix, Value f) {
  if (!f)
    return {};
  int64_t dim = dimOf(f);
  if (dim > maxDim / dim)
    return e.fail("expects a matrix of more components than a formula may have");
  if (!expectDim(e, "a matrix", matrix, dim * dim))
    return {};
  return scalarProduct(e, f, contract(e, matrix, f, {dim, dim}, {dim}, {1}, {0}, {0}));
}

/// A scalar, a diagonal or a full matrix, told apart by its dimension.
static Value weightedNorm(Emitter &e, Value weights, Value f) {
  if (!weights || !f)
    return {};
  int64_t dim = dimOf(f), given = dimOf(weights);
  if (given == 1)
    return isotropicNorm(e, weights, f);
  if (given == dim)
    return diagonalNorm(e, weights, f);
  if (given % dim == 0 && given / dim == dim)
    return quadraticForm(e, weights, f);
  return e.fail("expects weights of dimension 1, " + llvm::Twine(dim) + " or " + llvm::Twine(dim) + "x" +
                llvm::Twine(dim) + " for a vector of dimension " + llvm::Twine(dim) + ", got dimension " +
                llvm::Twine(given));
}

//===----------------------------------------------------------------------===//
// Slices and tensors
//===----------------------------------------------------------------------===//

static Value element(Emitter &e) {
  Value f = e.operand(0);
  if (!f)
    return {};
  int64_t dim = dimOf(f), index = e.integer(1);
  if (index < -dim || index >= dim)
    return e.fail("takes component " + llvm::Twine(index) + " of a vector of dimension " + llvm::Twine(dim));
  return slice(e, f, index < 0 ? index + dim : index, 1);
}

/// Components [begin, end), both counted from the end if negative.
static Value sliceFromEnds(Emitter &e) {
  Value f = e.operand(0);
  if (!f)
    return {};
  int64_t dim = dimOf(f);
  int64_t begin = e.integer(1), end = e.size() == 3 ? e.integer(2) : dim;
  int64_t first = begin < 0 ? begin + dim : begin, last = end < 0 ? end + dim : end;
  if (first < 0 || last > dim || first >= last)
    return e.fail("takes components [" + llvm::Twine(begin) + ":" + (e.size() == 3 ? llvm::Twine(end).str() : "") +
                  "] of a vector of dimension " + llvm::Twine(dim));
  return slice(e, f, first, last - first);
}

static Value extract(Emitter &e) {
  Value f = e.operand(0);
  if (!f)
    return {};
  int64_t dim = dimOf(f), offset = e.integer(1), size = e.integer(2);
  if (offset < 0 || size < 1 || offset > dim || size > dim - offset)
    return e.fail("takes " + llvm::Twine(size) + " components from component " + llvm::Twine(offset) +
                  " of a vector of dimension " + llvm::Twine(dim));
  return slice(e, f, offset, size);
}

/// Puts the first argument at `offset` into a zero vector of dimension `dim`.
static Value embed(Emitter &e, int64_t offset, int64_t dim) {
  Value f = e.operand(0);
  if (!f)
    return {};
  if (dim < 1 || dim > maxDim || offset < 0 || offset > dim || dimOf(f) > dim - offset)
    return e.fail("puts " + llvm::Twine(dimOf(f)) + " components at component " + llvm::Twine(offset) +
                  " of a vector of dimension " + llvm::Twine(dim));
  return pad(e, f, offset, dim);
}

static Value elementTransposed(Emitter &e) {
  return expectDim(e, "a formula", e.operand(0), 1) ? embed(e, e.integer(2), e.integer(1)) : Value();
}

/// A dimension given as an integer argument.
static bool checkDim(Emitter &e, int64_t dim) {
  if (dim >= 1 && dim <= maxDim)
    return true;
  e.fail("expects a dimension between 1 and " + llvm::Twine(maxDim) + ", got " + llvm::Twine(dim));
  return false;
}

static Value replicate(Emitter &e) {
  return checkDim(e, e.integer(1)) ? broadcast(e, e.operand(0), e.integer(1)) : Value();
}
static Value oneHot(Emitter &e) {
  return checkDim(e, e.integer(1)) ? e.emit<OneHotOp>(e.operand(0), e.named("dim", e.integer(1))) : Value();
}
static Value zero(Emitter &e) { return checkDim(e, e.integer(0)) ? e.constant(0, e.integer(0)) : Value(); }

static Value quotient(Emitter &e, int64_t p, int64_t q) {
  return q == 0 ? e.fail("has the denominator 0") : e.constant(static_cast<double>(p) / static_cast<double>(q));
}

/// How often `part` fits into the dimension of `matrix`; 0 after an error.
static int64_t otherExtent(Emitter &e, Value matrix, Value vector) {
  if (!matrix || !vector)
    return 0;
  if (dimOf(matrix) % dimOf(vector) == 0)
    return dimOf(matrix) / dimOf(vector);
  e.fail("expects a matrix whose dimension is a multiple of the vector's, got dimensions " +
         llvm::Twine(dimOf(matrix)) + " and " + llvm::Twine(dimOf(vector)));
  return 0;
}

static Value matrixVector(Emitter &e) {
  Value a = e.operand(0), x = e.operand(1);
  int64_t rows = otherExtent(e, a, x);
  return rows ? contract(e, a, x, {rows, dimOf(x)}, {dimOf(x)}, {1}, {0}, {0}) : Value();
}

static Value vectorMatrix(Emitter &e) {
  Value x = e.operand(0), a = e.operand(1);
  int64_t columns = otherExtent(e, a, x);
  return columns ? contract(e, x, a, {dimOf(x)}, {dimOf(x), columns}, {0}, {0}, {0}) : Value();
}

static Value outerProduct(Emitter &e) {
  Value f = e.operand(0), g = e.operand(1);
  return f && g ? contract(e, f, g, {dimOf(f)}, {dimOf(g)}, {}, {}, {0, 1}) : Value();
}

/// Reports an error unless `shape` holds exactly the components of `value`. The
/// product is bounded on the way: it may exceed any integer.
static bool checkShape(Emitter &e, Value value, llvm::ArrayRef<int64_t> shape) {
  if (!value)
    return false;
  int64_t product = 1, dim = dimOf(value);
  std::string text;
  bool fits = true;
  for (int64_t extent : shape) {
    text += (text.empty() ? "" : ",") + std::to_string(extent);
    fits = fits && extent >= 1 && product <= dim / extent;
    product = fits ? product * extent : product;
  }
  if (fits && product == dim)
    return true;
  e.fail("expects a shape of " + llvm::Twine(dim) + " components, got [" + text + "]");
  return false;
}

static Value tensorDot(Emitter &e) {
  Value f = e.operand(0), g = e.operand(1);
  llvm::ArrayRef<int64_t> shapeF = e.list(2), shapeG = e.list(3);
  if (!checkShape(e, f, shapeF) || !checkShape(e, g, shapeG))
    return {};
  // Axes count from the end if negative.
  auto axes = [](llvm::ArrayRef<int64_t> list, size_t rank) {
    llvm::SmallVector<int64_t> result(list);
    for (int64_t &axis : result)
      axis += axis < 0 ? static_cast<int64_t>(rank) : 0;
    return result;
  };
  llvm::SmallVector<int64_t> axesF = axes(e.list(4), shapeF.size()), axesG = axes(e.list(5), shapeG.size());
  llvm::SmallVector<int64_t> permutation;
  if (e.size() == 7)
    permutation.assign(e.list(6).begin(), e.list(6).end());
  else
    for (size_t axis = 0; axis + axesF.size() + axesG.size() < shapeF.size() + shapeG.size(); ++axis)
      permutation.push_back(axis);
  return contract(e, f, g, shapeF, shapeG, axesF, axesG, permutation);
}

static Value kronecker(Emitter &e) {
  Value f = e.operand(0), g = e.operand(1);
  llvm::ArrayRef<int64_t> shapeF = e.list(2), shapeG = e.list(3);
  if (shapeF.size() != shapeG.size())
    return e.fail("expects shapes of equal length, got lengths " + llvm::Twine(shapeF.size()) + " and " +
                  llvm::Twine(shapeG.size()));
  if (!checkShape(e, f, shapeF) || !checkShape(e, g, shapeG))
    return {};
  // Axes of both factors alternate in the result.
  llvm::SmallVector<int64_t> permutation;
  for (int64_t parity : {0, 1})
    for (size_t axis = 0; axis < shapeF.size(); ++axis)
      permutation.push_back(2 * axis + parity);
  return contract(e, f, g, shapeF, shapeG, {}, {}, permutation);
}

//===----------------------------------------------------------------------===//
// Kernels of older programs: (C, X, Y, B), all functions of r² = ‖X − Y‖²
//===----------------------------------------------------------------------===//

/// Argument `index` if it is a number, as the scales C and L are.
static Value scaleAt(Emitter &e, size_t index) {
  Value scale = e.operand(index);
  return expectDim(e, "a scale", scale, 1) ? scale : Value();
}

/// exp(−C r²).
static Value gauss(Emitter &e, Value c, Value squared) { return exp(e, neg(e, mul(e, c, squared))); }

static Value gaussKernel(Emitter &e) {
  return mul(e, gauss(e, scaleAt(e, 0), squaredDistance(e, e.operand(1), e.operand(2))), e.operand(3));
}

static Value laplaceKernel(Emitter &e) {
  Value distance = e.emit<SqrtOp>(squaredDistance(e, e.operand(1), e.operand(2)));
  return mul(e, gauss(e, scaleAt(e, 0), distance), e.operand(3));
}

static Value cauchyKernel(Emitter &e) {
  Value squared = squaredDistance(e, e.operand(1), e.operand(2));
  return div(e, e.operand(3), add(e, e.constant(1), mul(e, scaleAt(e, 0), squared)));
}

static Value inverseMultiquadricKernel(Emitter &e) {
  Value squared = squaredDistance(e, e.operand(1), e.operand(2));
  Value shifted = add(e, div(e, e.constant(1), scaleAt(e, 0)), squared);
  return div(e, e.operand(3), e.emit<SqrtOp>(shifted));
}

/// (Σ_k W_k exp(−C_k r²)) B.
static Value sumGaussKernel(Emitter &e) {
  Value squared = squaredDistance(e, e.operand(2), e.operand(3));
  return mul(e, scalarProduct(e, e.operand(1), gauss(e, e.operand(0), squared)), e.operand(4));
}

/// exp(−C r²) (a B + s ⟨B, X − Y⟩ (X − Y)), where a = ((d − 1)/(2C) − r²) and
/// s = 1 if free of divergence, a = 1/(2C) and s = −1 if free of curl.
static Value freeKernel(Emitter &e, size_t first, bool divergence) {
  Value c = scaleAt(e, first), b = e.operand(first + 3);
  Value difference = sub(e, e.operand(first + 1), e.operand(first + 2));
  Value squared = squaredNorm(e, difference);
  if (!squared || !expectDim(e, "a last operand", b, dimOf(difference)))
    return {};
  double factor = divergence ? 0.5 * static_cast<double>(dimOf(difference) - 1) : 0.5;
  Value scale = div(e, e.constant(factor), c);
  Value isotropic = mul(e, divergence ? sub(e, scale, squared) : scale, b);
  Value along = mul(e, scalarProduct(e, b, difference), difference);
  Value field = divergence ? add(e, isotropic, along) : sub(e, isotropic, along);
  return mul(e, gauss(e, c, squared), field);
}

/// L times the divergence-free kernel plus 1 − L times the curl-free one.
static Value mixedFreeKernel(Emitter &e) {
  Value l = scaleAt(e, 0);
  Value divergenceFree = mul(e, l, freeKernel(e, 1, /*divergence=*/true));
  return add(e, divergenceFree, mul(e, sub(e, e.constant(1), l), freeKernel(e, 1, /*divergence=*/false)));
}

//===----------------------------------------------------------------------===//
// The table
//===----------------------------------------------------------------------===//

static llvm::ArrayRef<Spelling> realSpellings() {
  static const Spelling table[] = {
      // Pointwise.
      {"Sign", "f", 0, sign},
      {"Step", "f", 0, step},
      {"ReLU", "f", 0, rectify},
      {"Round", "fi", 0, round},
      {"Inv", "f", 0, KEOPS_EXPAND(div(e, e.constant(1), e.operand(0)))},
      {"Square", "f", 0, KEOPS_EXPAND(mul(e, e.operand(0), e.operand(0)))},
      {"Pow", "fi", 0, power},
      {"ClampInt", "fii", 0, clampInteger},
      {"DiffClampInt", "fii", 0, clampIntegerDerivative},
      {"Divide", "ff", 0, divide},
      {"Equal", "ff", 0, comparison<Comparison::EQ>},
      {"NotEqual", "ff", 0, comparison<Comparison::NE>},
      {"LessThan", "ff", 0, comparison<Comparison::LT>},
      {"LessOrEqual", "ff", 0, comparison<Comparison::LE>},
      {"Mod", "fff", 1, modulo},
      {"Clamp", "fff", 0, clampFormula},
      {"IfElse", "fff", 0, ifElse},
      // Reductions of components, norms, distances.
      {"Sum", "f", 0, KEOPS_EXPAND(sum(e, e.operand(0)))},
      {"SumT", "fi", 0, replicate},
      {"Scalprod", "ff", 0, KEOPS_EXPAND(scalarProduct(e, e.operand(0), e.operand(1)))},
      {"SqNorm2", "f", 0, KEOPS_EXPAND(squaredNorm(e, e.operand(0)))},
      {"Norm2", "f", 0, KEOPS_EXPAND(e.emit<SqrtOp>(squaredNorm(e, e.operand(0))))},
      {"Normalize", "f", 0, KEOPS_EXPAND(mul(e, e.emit<RsqrtOp>(squaredNorm(e, e.operand(0))), e.operand(0)))},
      {"SqDist", "ff", 0, KEOPS_EXPAND(squaredDistance(e, e.operand(0), e.operand(1)))},
      {"SqNormIso", "ff", 0, KEOPS_EXPAND(isotropicNorm(e, e.operand(0), e.operand(1)))},
      {"SqNormDiag", "ff", 0, KEOPS_EXPAND(diagonalNorm(e, e.operand(0), e.operand(1)))},
      {"SymSqNorm", "ff", 0, KEOPS_EXPAND(quadraticForm(e, e.operand(0), e.operand(1)))},
      {"WeightedSqNorm", "ff", 0, KEOPS_EXPAND(weightedNorm(e, e.operand(0), e.operand(1)))},
      {"WeightedSqDist", "fff", 0, KEOPS_EXPAND(weightedNorm(e, e.operand(0), sub(e, e.operand(1), e.operand(2))))},
      {"Min", "f", 0, extremum<Extremum::Min>},
      {"Max", "f", 0, extremum<Extremum::Max>},
      {"ArgMin", "f", 0, extremum<Extremum::ArgMin>},
      {"ArgMax", "f", 0, extremum<Extremum::ArgMax>},
      // Slices and assembly.
      {"Elem", "fi", 0, element},
      {"ElemT", "fii", 0, elementTransposed},
      {"Extract", "fii", 0, extract},
      {"ExtractT", "fii", 0, KEOPS_EXPAND(embed(e, e.integer(1), e.integer(2)))},
      {"Slice", "fii", 1, sliceFromEnds},
      {"OneHot", "fi", 0, oneHot},
      // Matrices and tensors.
      {"MatVecMult", "ff", 0, matrixVector},
      {"VecMatMult", "ff", 0, vectorMatrix},
      {"TensorProd", "ff", 0, outerProduct},
      {"TensorDot", "fflllll", 1, tensorDot},
      {"Kron", "ffll", 0, kronecker},
      // Constants.
      {"IntCst", "i", 0, KEOPS_EXPAND(e.constant(static_cast<double>(e.integer(0))))},
      {"RatCst", "ii", 0, KEOPS_EXPAND(quotient(e, e.integer(0), e.integer(1)))},
      {"IntInv", "i", 0, KEOPS_EXPAND(quotient(e, 1, e.integer(0)))},
      {"Zero", "i", 0, zero},
      // Derivatives and linear operators. A reduction's forward result is found again by the compiler.
      {"Grad", "fvf", 1, gradient},
      {"Diff", "fvf", 0, directionalDerivative},
      {"Grad_WithSavedForward", "fvff", 0, gradient},
      {"Diff_WithSavedForward", "fvff", 0, directionalDerivative},
      {"GradMatrix", "fv", 0, gradientMatrix},
      {"Divergence", "fv", 0, divergence},
      {"Laplacian", "fv", 0, laplacian},
      {"TraceOperator", "fvf", 1, traceOperator},
      {"AdjointOperator", "fvf", 0, adjointOperator},
      {"SumLinOperator", "fvff", 2, sumLinearOperator},
      // Sharing is found by the compiler anyway.
      {"Factorize", "ff", 0, KEOPS_EXPAND(e.operand(0))},
      {"AutoFactorize", "f", 0, KEOPS_EXPAND(e.operand(0))},
      // Names of older programs.
      {"Scal", "ff", 0,
       KEOPS_EXPAND(expectDim(e, "a first operand", e.operand(0), 1) ? mul(e, e.operand(0), e.operand(1)) : Value())},
      {"ScalOrMult", "ff", 0, KEOPS_EXPAND(mul(e, e.operand(0), e.operand(1)))},
      {"GaussKernel", "ffff", 0, gaussKernel},
      {"LaplaceKernel", "ffff", 0, laplaceKernel},
      {"CauchyKernel", "ffff", 0, cauchyKernel},
      {"InverseMultiquadricKernel", "ffff", 0, inverseMultiquadricKernel},
      {"SumGaussKernel", "fffff", 0, sumGaussKernel},
      {"DivFreeGaussKernel", "ffff", 0, KEOPS_EXPAND(freeKernel(e, 0, /*divergence=*/true))},
      {"CurlFreeGaussKernel", "ffff", 0, KEOPS_EXPAND(freeKernel(e, 0, /*divergence=*/false))},
      {"TRIGaussKernel", "fffff", 0, mixedFreeKernel},
  };
  return table;
}

llvm::ArrayRef<Spelling> keops::frontend::spellings() {
  static const std::vector<Spelling> all = [] {
    std::vector<Spelling> joined;
    for (llvm::ArrayRef<Spelling> table : {realSpellings(), complexSpellings(), specialSpellings()})
      joined.insert(joined.end(), table.begin(), table.end());
    return joined;
  }();
  return all;
}

const Spelling *keops::frontend::findSpelling(llvm::StringRef name) {
  static const llvm::StringMap<const Spelling *> *index = [] {
    auto *map = new llvm::StringMap<const Spelling *>;
    for (const Spelling &entry : spellings())
      (*map)[entry.name] = &entry;
    return map;
  }();
  return index->lookup(name);
}

//===----------------------------------------------------------------------===//
// Ops under their own name
//===----------------------------------------------------------------------===//

llvm::StringMap<mlir::RegisteredOperationName> keops::frontend::spelledOps(mlir::MLIRContext &context) {
  context.getOrLoadDialect<KeopsDialect>();
  llvm::StringMap<mlir::RegisteredOperationName> ops;
  // MLIR's lookup by dialect searches its list in the wrong order and finds nothing.
  for (mlir::RegisteredOperationName op : context.getRegisteredOperations()) {
    if (op.getDialectNamespace() != KeopsDialect::getDialectNamespace())
      continue;
    auto *formulaOp = op.getInterface<FormulaOpInterface>();
    // The order of attributes in text is not that of the op: those have a spelling.
    if (formulaOp && op.getAttributeNames().empty() && !formulaOp->spelling().empty())
      ops.insert({formulaOp->spelling(), op});
  }
  return ops;
}

Signature keops::frontend::signatureOf(mlir::RegisteredOperationName op) {
  if (op.hasTrait<mlir::OpTrait::OneOperand>())
    return {"f", 0};
  return {op.hasTrait<mlir::OpTrait::NOperands<2>::Impl>() ? "ff" : "fff", 0};
}

const Vocabulary &keops::frontend::knownOperations() {
  static const Vocabulary *vocabulary = [] {
    auto *known = new Vocabulary;
    mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
    for (const auto &entry : spelledOps(context))
      (*known)[entry.getKey()] = signatureOf(entry.second);
    for (const Spelling &entry : spellings())
      (*known)[entry.name] = {entry.kinds.str(), entry.optional};
    return known;
  }();
  return *vocabulary;
}
