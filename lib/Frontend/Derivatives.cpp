//===- Derivatives.cpp - Derivatives in formula text --------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Three ops, `keops.grad`, `keops.diff` and `keops.trace`, are behind all names.
// Jacobians are made of one derivative for each component: its seed is zero but
// for that component, and differentiation keeps what is zero out of the code.
//
//===----------------------------------------------------------------------===//

#include "Derivatives.h"
#include "Spellings.h"
#include "keops/Frontend/FormulaBuilder.h"

using namespace keops;
using namespace keops::frontend;
using mlir::Value;

//===----------------------------------------------------------------------===//
// Expressions
//===----------------------------------------------------------------------===//

bool keops::frontend::takesReduction(llvm::StringRef name) {
  return name == "Grad" || name == "Diff" || name == "Grad_WithSavedForward" || name == "Diff_WithSavedForward";
}

ExpressionRef keops::frontend::makeCotangent(const Expression &call, int64_t position, Diagnostic &error) {
  const Expression &formula = *call.arguments[0].formula();
  Category category = isReduction(formula) ? resultCategory(formula) : call.arguments[1].formula()->variable.category;
  if (category == Category::Parameter) {
    error = {call.name + " of a parameter needs its cotangent as a third argument: it may depend on i or on j",
             call.where};
    return nullptr;
  }
  if (!isReduction(formula))
    category = category == Category::I ? Category::J : Category::I;
  std::optional<int64_t> dim = dimensionOf(call.arguments[0].formula(), error);
  return dim ? makeVariable({position, *dim, category}, call.where) : nullptr;
}

ExpressionRef keops::frontend::makeDirectionalDerivative(llvm::StringRef callee, const ExpressionRef &formula,
                                                         llvm::ArrayRef<ExpressionRef> variables,
                                                         llvm::ArrayRef<ExpressionRef> directions,
                                                         const SourceRange &where) {
  ExpressionRef sum;
  for (auto [variable, direction] : llvm::zip(variables, directions)) {
    ExpressionRef term = makeCall(callee, {formula, variable, direction}, where);
    sum = sum ? makeCall("Add", {sum, term}, where) : term;
  }
  return sum;
}

//===----------------------------------------------------------------------===//
// One derivative
//===----------------------------------------------------------------------===//

static IndexSet indicesOf(Value value) { return llvm::cast<VecType>(value.getType()).getIndices(); }

static llvm::SmallVector<mlir::NamedAttribute> flags(Emitter &e, llvm::ArrayRef<std::pair<llvm::StringRef, bool>> all) {
  llvm::SmallVector<mlir::NamedAttribute> attributes;
  for (auto [name, isSet] : all)
    if (isSet)
      attributes.push_back(e.builder().getNamedAttr(name, e.builder().getUnitAttr()));
  return attributes;
}

static Value grad(Emitter &e, Value f, Value v, Value cotangent, bool linear = false, bool total = false) {
  if (!f || !v)
    return {};
  return e.emit<GradOp>({f, v, cotangent}, flags(e, {{"total", total}, {"linear", linear}}));
}

static Value diff(Emitter &e, Value f, Value v, Value tangent, bool linear = false) {
  if (!f || !v || !tangent)
    return {};
  return e.emit<DiffOp>({f, v, tangent}, flags(e, {{"linear", linear}}));
}

Value keops::frontend::gradient(Emitter &e) {
  if (e.size() < 3)
    return e.fail("expects a cotangent as its third argument");
  Value f = e.operand(0);
  // What has rows is carried back from all of them; what has pairs, for each pair on its own.
  bool total = f && e.holdsReduction(0) && indicesOf(f) != IndexSet::IJ;
  return grad(e, f, e.operand(1), e.operand(2), /*linear=*/false, total);
}

Value keops::frontend::directionalDerivative(Emitter &e) {
  Value f = e.operand(0), v = e.operand(1), tangent = e.operand(2);
  if (f && v && tangent && e.holdsReduction(0) && !contains(indicesOf(v), indicesOf(tangent)))
    return e.fail("of a reduction expects a tangent that depends on what its variable depends on");
  return diff(e, f, v, tangent);
}

//===----------------------------------------------------------------------===//
// Jacobians and traces
//===----------------------------------------------------------------------===//

/// Code grows with the number of derivatives, and compile time with it.
static constexpr int64_t kMostDerivatives = 256;

/// 1 at component `position` of `dim`.
static Value unitVector(Emitter &e, int64_t position, int64_t dim) {
  return e.emit<PadOp>(e.constant(1), {e.named("offset", position), e.named("dim", dim)});
}

Value keops::frontend::gradientMatrix(Emitter &e) {
  Value f = e.operand(0), v = e.operand(1);
  if (!f || !v)
    return {};
  int64_t rows = dimOf(f), columns = dimOf(v);
  if (int64_t count = std::min(rows, columns); count > kMostDerivatives)
    return e.fail("needs a derivative for each of " + llvm::Twine(count) + " components and writes out at most " +
                  llvm::Twine(kMostDerivatives));
  bool byRows = rows <= columns;
  Value matrix;
  for (int64_t n = 0; n < (byRows ? rows : columns); ++n) {
    Value part = byRows ? grad(e, f, v, unitVector(e, n, rows)) : diff(e, f, v, unitVector(e, n, columns));
    matrix = matrix ? e.emit<ConcatOp>({matrix, part}) : part;
  }
  if (byRows)
    return matrix;
  // The columns stand one after the other: transpose them.
  mlir::Builder &b = e.builder();
  auto list = [&](llvm::StringRef name, llvm::ArrayRef<int64_t> values) {
    return b.getNamedAttr(name, b.getDenseI64ArrayAttr(values));
  };
  return e.emit<TensorDotOp>({matrix, e.constant(1)},
                             {list("lhs_shape", {columns, rows}), list("rhs_shape", {1}), list("lhs_contract", {}),
                              list("rhs_contract", {}), list("permutation", {1, 0, 2})});
}

/// Σ_k w_k ∂f_k/∂v_k; `weights` may be null for 1.
static Value trace(Emitter &e, Value f, Value v, Value weights, bool linear) {
  if (!f || !v)
    return {};
  int64_t dim = dimOf(v);
  if (dimOf(f) != dim)
    return e.fail("expects a formula of dimension " + llvm::Twine(dim) + ", as its variable has, got dimension " +
                  llvm::Twine(dimOf(f)));
  return e.emit<TraceOp>({f, v, weights ? weights : e.constant(1)}, flags(e, {{"linear", linear}}));
}

Value keops::frontend::divergence(Emitter &e) {
  return trace(e, e.operand(0), e.operand(1), nullptr, /*linear=*/false);
}

Value keops::frontend::laplacian(Emitter &e) {
  Value f = e.operand(0), v = e.operand(1);
  if (f && dimOf(f) != 1)
    return e.fail("expects a formula of dimension 1, got dimension " + llvm::Twine(dimOf(f)));
  return trace(e, grad(e, f, v, e.constant(1)), v, nullptr, /*linear=*/false);
}

//===----------------------------------------------------------------------===//
// Linear operators
//===----------------------------------------------------------------------===//

/// Argument `index`, of dimension `dim` or 1, in `dim` components; ones if it is missing.
static Value weightsAt(Emitter &e, size_t index, int64_t dim) {
  if (index >= e.size())
    return e.constant(1, dim);
  Value weights = e.operand(index);
  if (!weights || dimOf(weights) == dim)
    return weights;
  if (dimOf(weights) == 1)
    return e.emit<BroadcastOp>(weights, e.named("dim", dim));
  return e.fail("expects weights of dimension 1 or " + llvm::Twine(dim) + ", got dimension " +
                llvm::Twine(dimOf(weights)));
}

static Value sumOfProducts(Emitter &e, Value a, Value b) {
  Value product = e.emit<MulOp>({a, b});
  if (!product || dimOf(product) == 1)
    return product;
  return e.emit<FoldOp>(product, e.builder().getNamedAttr("reduction", SumAttr::get(e.builder().getContext())));
}

Value keops::frontend::traceOperator(Emitter &e) {
  Value f = e.operand(0), v = e.operand(1);
  if (!f || !v)
    return {};
  Value weights = weightsAt(e, 2, dimOf(v));
  if (!weights)
    return {};
  // A linear form is its row of the matrix.
  if (dimOf(f) == 1)
    return diff(e, f, v, weights, /*linear=*/true);
  return trace(e, f, v, e.size() > 2 ? weights : Value(), /*linear=*/true);
}

Value keops::frontend::adjointOperator(Emitter &e) {
  return grad(e, e.operand(0), e.operand(1), e.operand(2), /*linear=*/true);
}

Value keops::frontend::sumLinearOperator(Emitter &e) {
  Value f = e.operand(0), v = e.operand(1);
  if (!f || !v)
    return {};
  Value left = weightsAt(e, 2, dimOf(f)), right = weightsAt(e, 3, dimOf(v));
  return left && right ? sumOfProducts(e, left, diff(e, f, v, right, /*linear=*/true)) : Value();
}
