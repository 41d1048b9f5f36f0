//===- SpecialOps.td - Ops that are algorithms -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Special functions, splines, recurrences and alignments of series.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_SPECIALOPS_TD
#define KEOPS_DIALECT_SPECIALOPS_TD

include "keops/Dialect/VectorOps.td"

//===----------------------------------------------------------------------===//
// Special functions
//===----------------------------------------------------------------------===//

def Keops_PolygammaOp : Keops_FormulaOp<"polygamma", "", [Keops_Pointwise,
    DeclareOpInterfaceMethods<Keops_DifferentiableOpInterface, ["timesPartial", "refusalIn"]>]> {
  let summary = "derivatives of the logarithm of the gamma function";
  let description = [{
    Of order 0 the digamma function, the derivative of `lgamma`; of order n its
    n-th derivative. NaN at the poles 0, −1, −2, …

    Example:
    ```mlir
    %0 = keops.polygamma 1 %x : !keops.vec<3xf32, i>
    ```
  }];
  let arguments = (ins I64Attr:$order, Keops_Number:$operand);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$order $operand attr-dict `:` type($operand)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Values of higher orders soon leave the range of f32.
    static constexpr int64_t maxOrder = 24;
  }];
}

def Keops_BSplineOp : Keops_FormulaOp<"bspline", "", [Keops_Jumps,
    DeclareOpInterfaceMethods<Keops_DifferentiableOpInterface, ["buildTangent", "buildAdjoint", "isLinearIn", "refusalIn"]>]> {
  let summary = "B-spline basis functions at a point";
  let description = [{
    Component m is the basis function of degree `degree` whose support begins at
    knot m, at the point x, by the recurrence of Cox and de Boor; n knots that do
    not decrease have n − degree − 1 basis functions. Degree 0 is the indicator of
    t_m ≤ x < t_{m+1}: intervals are open on the right, so the last knot is
    outside. A quotient by the distance of two equal knots is 0. A NaN among the
    numbers of a component makes it NaN.

    The derivative in the point is made of two functions of the degree below, and
    taken from the right at a knot where the function has a kink; of degree 0 it
    is 0. There is none in the knots.
  }];
  let arguments = (ins Keops_Number:$knots, Keops_Number:$point, I64Attr:$degree);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$knots `at` $point `degree` $degree attr-dict `:` type($knots) `,` type($point)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool isStored() { return true; }
    /// The code of a component grows with the square of the degree.
    static constexpr int64_t maxDegree = 32;
  }];
}

//===----------------------------------------------------------------------===//
// Recurrences
//===----------------------------------------------------------------------===//

def Keops_ReverseOp : Keops_FormulaOp<"reverse", "", [Keops_Derivatives]> {
  let summary = "components in the opposite order";
  let description = [{
    Component d of n is component n − 1 − d of the operand. With it the adjoint of a
    recurrence is a recurrence.
  }];
  let arguments = (ins Keops_Number:$operand);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand)";
}

def Keops_RecurOp : Keops_FormulaOp<"recur", "", [Keops_Derivatives]> {
  let summary = "linear recurrence: r(d) = source(d) + Σ_k weight_k(d) · r(d − lag_k)";
  let description = [{
    What lies before component 0 is 0, and its weights are not looked at. Each
    weight has the dimension of the source. The derivatives of a recurrence are
    recurrences again, forward or from the other end.

    Example:
    ```mlir
    %r = keops.recur %s by %w, %v lags [1, 3] : <6xf32, ij>, !keops.vec<6xf32, j>, !keops.vec<6xf32, j>
    ```
  }];
  let arguments = (ins Keops_Number:$source, Variadic<Keops_Number>:$weights, DenseI64ArrayAttr:$lags);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$source `by` $weights `lags` $lags attr-dict `:` type($source) `,` type($weights)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool isStored() { return true; }
    bool isRecurrence() { return true; }
  }];
}

//===----------------------------------------------------------------------===//
// Alignments of series
//===----------------------------------------------------------------------===//

def Keops_SoftDTWOp : Keops_FormulaOp<"soft_dtw", "", [Keops_Derivatives]> {
  let summary = "costs of the soft alignments of two series";
  let description = [{
    For series x of n and y of m numbers and a smoothing γ > 0, component i·m + j
    is the cost of aligning x₀ … x_i with y₀ … y_j:

        r(i, j) = (x_i − y_j)² + softmin(r(i−1, j−1), r(i−1, j), r(i, j−1))
        softmin(a) = −γ log Σ exp(−a / γ)

    where what lies outside is infinite, but for r(−1, −1) = 0. The last
    component is the soft dynamic time warping of the two series. Each component
    needs earlier ones, so the vector is stored. Tangents and cotangents of the
    costs are recurrences over the same pairs, forward and from the other end,
    weighted by `soft_step`.
  }];
  let arguments = (ins Keops_Number:$lhs, Keops_Number:$rhs, Keops_Number:$gamma);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$lhs `,` $rhs `smooth` $gamma attr-dict `:` type($lhs) `,` type($rhs) `,` type($gamma)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool isStored() { return true; }
    bool isRecurrence() { return true; }
  }];
}

def Keops_AlignmentStep : I32EnumAttr<"AlignmentStep", "a step from one pair of places of two series to the next", [
    I32EnumAttrCase<"Diagonal", 0, "diagonal">, I32EnumAttrCase<"Down", 1, "down">,
    I32EnumAttrCase<"Right", 2, "right">]> {
  let cppNamespace = "::keops";
  let genSpecializedAttr = 0;
}
def Keops_AlignmentStepAttr : EnumAttr<Keops_Dialect, Keops_AlignmentStep, "alignment_step">;

def Keops_SoftStepOp : Keops_FormulaOp<"soft_step", "", [Keops_Derivatives]> {
  let summary = "how much of the soft alignments that reach a pair come by one step";
  let description = [{
    For costs r of `soft_dtw`, in rows of `columns`, component i·m + j is the
    derivative of softmin(r(i−1, j−1), r(i−1, j), r(i, j−1)) in the cost that the
    step `diagonal`, `down` or `right` comes from: exp(−a / γ) over the sum of
    these. The three add up to 1, but for the first pair, where all are 0.

    Example:
    ```mlir
    %d = keops.soft_step diagonal %r in 4 smooth %g : <12xf32, ij>, <1xf32>
    ```
  }];
  let arguments = (ins Keops_AlignmentStepAttr:$step, Keops_Number:$costs, I64Attr:$columns, Keops_Number:$gamma);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "`` $step $costs `in` $columns `smooth` $gamma attr-dict `:` type($costs) `,` type($gamma)";
  let hasVerifier = 1;
}

#endif // KEOPS_DIALECT_SPECIALOPS_TD
