//===- ApproximateMath.h - Math functions as inline SIMD code -*- C++ -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The door of the step that leaves no `math` op which a CPU back-end would turn
// into a call per lane where a few vector instructions do: exp, exp2, log, log2,
// log1p, rsqrt, sin, cos and round become straight-line code, everything rarer becomes
// calls of the C math library.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_LOWERING_APPROXIMATEMATH_H
#define KEOPS_LOWERING_APPROXIMATEMATH_H

#include "mlir/IR/PatternMatch.h"

namespace keops {

/// What the target can do. It always has fused multiply-add.
struct ApproximateMathOptions {
  /// The target scales by powers of two in one instruction, that is AVX-512 F, DQ
  /// and VL (x86-64-v4): exp and exp2 use it.
  bool hasScalef = false;
  /// No operand is a NaN whose low bits (9 in f32, 12 in f64) are not 0. Kernels
  /// see to it for the numbers they read, and arithmetic keeps it so.
  bool plainNaNs = false;
};

/// Unit attribute on `math.exp` and `math.exp2`: the operand is never positive
/// (it may be NaN), which saves instructions where the patterns cannot see it.
/// Up to 32 the result still is right, beyond it means nothing: enough for terms
/// that are relative to a maximum which lags behind.
inline constexpr llvm::StringLiteral kNeverPositiveAttr = "keops.never_positive";

/// Adds patterns that rewrite `math` ops on f32 and f64 scalars and vectors of
/// one dimension. What is left of the `math` dialect then (fma, sqrt, absf,
/// copysign, floor, ceil, trunc, roundeven, classification) are single
/// instructions. Other types are left alone. The rewritten ops must be inside a
/// symbol table such as a module, where declarations of library functions and
/// private helpers that loop over lanes are added.
void populateApproximateMathPatterns(mlir::RewritePatternSet &patterns, const ApproximateMathOptions &options);

/// Applies these patterns once to every op below `module`. The dialects arith,
/// func, LLVM, math, scf, ub and vector must be loaded.
/// Fails, with an error, if another symbol has the name of a function to call.
llvm::LogicalResult approximateMath(mlir::Operation *module, const ApproximateMathOptions &options);

/// Calls the C library's function `name` of double or, with an "f" after it, of
/// float, on each lane of the operands, which all have one type. Needs a symbol
/// table around the insertion point, as the patterns do. In a `gpu.module` it is
/// to the compiler's end to say where such functions come from.
mlir::Value callMathLibrary(mlir::OpBuilder &builder, mlir::Location loc, llvm::StringRef name,
                            mlir::ValueRange operands);

/// Adds patterns that rewrite `math` ops on f32 and f64 inside a `gpu.module` to
/// LLVM intrinsics that are GPU instructions, to arithmetic, or to calls of the C
/// library. Ops that they build may need them once more. `fast`: what a GPU has as
/// an instruction in f32 is that one, though it be less accurate.
void populateApproximateMathGPUPatterns(mlir::RewritePatternSet &patterns, bool fast = true);

/// Applies these patterns below `module`, the fast ones unless the module around
/// it has the attribute `keops.accurate_math`. Fails, with an error that names the
/// op, where an op has a type that kernels do not have.
llvm::LogicalResult approximateMathGPU(mlir::Operation *module);

} // namespace keops

#endif // KEOPS_LOWERING_APPROXIMATEMATH_H
