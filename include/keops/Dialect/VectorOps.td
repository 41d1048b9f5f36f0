//===- VectorOps.td - Ops that rearrange or combine components -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Constants, structure (broadcast, concatenate, slice, pad, one-hot) and
// contractions (folds over components, tensor contraction).
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_VECTOROPS_TD
#define KEOPS_DIALECT_VECTOROPS_TD

include "keops/Dialect/PointwiseOps.td"
include "keops/Dialect/KeopsReductions.td"

// The derivative of an op that is not pointwise, and of one that is linear in one operand or more at once.
def Keops_Derivatives :
    DeclareOpInterfaceMethods<Keops_DifferentiableOpInterface, ["buildTangent", "buildAdjoint", "isLinearIn"]>;

def Keops_ConstantOp : Keops_Op<"constant", [Pure, ConstantLike, Keops_ZeroDerivative,
    DeclareOpInterfaceMethods<Keops_FormulaOpInterface, ["component", "cost"]>]> {
  let summary = "the same number in every component";
  let description = [{
    Example:
    ```mlir
    %0 = keops.constant 2.0 : !keops.vec<1xf32>
    ```
  }];
  let arguments = (ins F64Attr:$value);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$value attr-dict `:` type($result)";
  let hasFolder = 1;
  let hasVerifier = 1;
  let extraClassDefinition = [{ ::llvm::StringRef $cppClass::spelling() { return ""; } }];
}

def Keops_BroadcastOp : Keops_FormulaOp<"broadcast", "SumT", [Keops_Derivatives]> {
  let summary = "replicate a scalar";
  let description = [{The operand, of dimension 1, in each of `dim` components. Its cotangent is the sum of theirs.}];
  let arguments = (ins Keops_Number:$operand, I64Attr:$dim);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$operand `to` $dim attr-dict `:` type($operand)";
  let hasVerifier = 1;
}

def Keops_ConcatOp : Keops_FormulaOp<"concat", "Concat", [Keops_Derivatives]> {
  let summary = "put components one after the other";
  let description = [{The a components of `lhs`, then the b of `rhs`: a + b in all.}];
  let arguments = (ins Keops_Number:$lhs, Keops_Number:$rhs);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs)";
}

def Keops_SliceOp : Keops_FormulaOp<"slice", "Extract", [Keops_Derivatives]> {
  let summary = "components [offset, offset + size)";
  let description = [{
    `size` components of the operand from `offset` on; all of them must exist. The
    cotangent is padded with zeros.
  }];
  let arguments = (ins Keops_Number:$operand, I64Attr:$offset, I64Attr:$size);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$operand `[` $offset `,` $size `]` attr-dict `:` type($operand)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Keops_PadOp : Keops_FormulaOp<"pad", "ExtractT", [Keops_Derivatives]> {
  let summary = "zeros with the operand at an offset";
  let description = [{
    `dim` components: those of the operand from `offset` on, where all must have room,
    and 0 before and after them. The adjoint of `slice`.
  }];
  let arguments = (ins Keops_Number:$operand, I64Attr:$offset, I64Attr:$dim);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$operand `at` $offset `in` $dim attr-dict `:` type($operand)";
  let hasVerifier = 1;
}

def Keops_OneHotOp : Keops_FormulaOp<"one_hot", "OneHot", [Keops_ZeroDerivative, Keops_Jumps]> {
  let summary = "1 at a computed position, 0 elsewhere";
  let description = [{
    The position is the operand rounded to the nearest integer, halves upwards.
    All components are 0 when it is out of range or NaN.
  }];
  let arguments = (ins Keops_Number:$operand, I64Attr:$dim);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$operand `in` $dim attr-dict `:` type($operand)";
  let hasVerifier = 1;
}

def Keops_FoldOp : Keops_FormulaOp<"fold", "", [Keops_Derivatives]> {
  let summary = "reduce the components of a vector to one";
  let description = [{
    The same monoids as over pairs, here over components: a sum, an extremum, or
    the position of one as a number. The derivative of an extremum is that of
    its first place.

    Example:
    ```mlir
    %s = keops.fold #keops.sum %v : !keops.vec<3xf32, ij>
    ```
  }];
  let arguments = (ins Keops_ReductionInterface:$reduction, Keops_Number:$operand);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$reduction $operand attr-dict `:` type($operand)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

def Keops_TensorDotOp : Keops_FormulaOp<"tensordot", "", [Keops_Derivatives]> {
  let summary = "contract two vectors seen as tensors";
  let description = [{
    Operands are row-major tensors of shapes `lhs_shape` and `rhs_shape`; axes
    `lhs_contract[k]` and `rhs_contract[k]` are summed together. The axes that
    remain, those of the left operand first, are axis a of an intermediate
    tensor; it moves to position `permutation[a]` of the result. This one op is
    behind matrix-vector, outer, Kronecker and general tensor products.

    Constraints: the shapes' products are the dimensions (T1), contracted axes
    are distinct, in range, and of equal extents (T2), the permutation is one of
    the remaining axes (T3).
  }];
  let arguments = (ins Keops_Number:$lhs, Keops_Number:$rhs, DenseI64ArrayAttr:$lhs_shape, DenseI64ArrayAttr:$rhs_shape,
                       DenseI64ArrayAttr:$lhs_contract, DenseI64ArrayAttr:$rhs_contract, DenseI64ArrayAttr:$permutation);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = [{
    $lhs $lhs_shape `by` $lhs_contract `,` $rhs $rhs_shape `by` $rhs_contract `permute` $permutation
        attr-dict `:` type($lhs) `,` type($rhs)
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool isStored();
    /// Extents of the summed axes, and of the result's axes.
    ::llvm::SmallVector<int64_t> contractedExtents();
    ::llvm::SmallVector<int64_t> resultShape();
  }];
}

//===----------------------------------------------------------------------===//
// Pairs of components: complex numbers are vectors (re, im, re, im, …)
//===----------------------------------------------------------------------===//

def Keops_InterleaveOp : Keops_FormulaOp<"interleave", "", [Keops_Derivatives]> {
  let summary = "alternate the components of two vectors";
  let description = [{
    (a₀, b₀, a₁, b₁, …) for operands of equal dimensions. With `deinterleave` it
    carries all complex arithmetic, which is real arithmetic in between.
  }];
  let arguments = (ins Keops_Number:$lhs, Keops_Number:$rhs);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs)";
  let hasFolder = 1;
}

def Keops_DeinterleaveOp : Keops_FormulaOp<"deinterleave", "", [Keops_Derivatives]> {
  let summary = "every second component, from component `part` on";
  let description = [{Part 0 or 1 of a vector of even dimension: its real or its imaginary parts.}];
  let arguments = (ins Keops_Number:$operand, I64Attr:$part);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = "$operand `[` $part `]` attr-dict `:` type($operand)";
  let hasVerifier = 1;
  let hasFolder = 1;
}

#endif // KEOPS_DIALECT_VECTOROPS_TD
