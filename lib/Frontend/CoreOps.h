//===- CoreOps.h - Core ops, with the least to write --------------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What spellings are written with. Operands may be null, and then so is the
// result.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LIB_FRONTEND_COREOPS_H
#define KEOPS_LIB_FRONTEND_COREOPS_H

#include "Spellings.h"

/// A line of a table of spellings: the expansion of a call as one expression.
#define KEOPS_EXPAND(EXPRESSION) [](Emitter &e) -> Value { return EXPRESSION; }

namespace keops::frontend {

using mlir::Value;

inline Value add(Emitter &e, Value a, Value b) { return e.emit<AddOp>({a, b}); }
inline Value sub(Emitter &e, Value a, Value b) { return e.emit<SubOp>({a, b}); }
inline Value mul(Emitter &e, Value a, Value b) { return e.emit<MulOp>({a, b}); }
inline Value div(Emitter &e, Value a, Value b) { return e.emit<DivOp>({a, b}); }
inline Value neg(Emitter &e, Value a) { return e.emit<NegOp>(a); }
inline Value exp(Emitter &e, Value a) { return e.emit<ExpOp>(a); }
inline Value log(Emitter &e, Value a) { return e.emit<LogOp>(a); }

inline Value compare(Emitter &e, Comparison kind, Value a, Value b) {
  auto predicate = ComparisonAttr::get(e.builder().getContext(), kind);
  return e.emit<CmpOp>({a, b}, e.builder().getNamedAttr("predicate", predicate));
}
inline Value less(Emitter &e, Value a, Value b) { return compare(e, Comparison::LT, a, b); }
inline Value select(Emitter &e, Value condition, Value a, Value b) { return e.emit<SelectOp>({condition, a, b}); }
/// 1 where the condition holds, else 0.
inline Value indicator(Emitter &e, Value condition) {
  auto type = mlir::TypeAttr::get(e.elementType());
  return e.emit<IndicatorOp>(condition, e.builder().getNamedAttr("elementType", type));
}

inline Value fold(Emitter &e, mlir::Attribute reduction, Value a) {
  return e.emit<FoldOp>(a, e.builder().getNamedAttr("reduction", reduction));
}
inline Value sum(Emitter &e, Value a) {
  return !a || dimOf(a) == 1 ? a : fold(e, SumAttr::get(e.builder().getContext()), a);
}

inline Value slice(Emitter &e, Value a, int64_t offset, int64_t size) {
  return e.emit<SliceOp>(a, {e.named("offset", offset), e.named("size", size)});
}
inline Value pad(Emitter &e, Value a, int64_t offset, int64_t dim) {
  return e.emit<PadOp>(a, {e.named("offset", offset), e.named("dim", dim)});
}
inline Value broadcast(Emitter &e, Value a, int64_t dim) { return e.emit<BroadcastOp>(a, e.named("dim", dim)); }

/// True if `value` has `dim` components; reports an error if not.
bool expectDim(Emitter &e, llvm::StringRef what, Value value, int64_t dim);

} // namespace keops::frontend

#endif // KEOPS_LIB_FRONTEND_COREOPS_H
