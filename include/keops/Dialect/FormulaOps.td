//===- FormulaOps.td - Formulas and their reductions -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The formula as a function of its variables, and the reduction of a value over
// one index.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_FORMULAOPS_TD
#define KEOPS_DIALECT_FORMULAOPS_TD

include "keops/Dialect/VectorOps.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/IR/RegionKindInterface.td"
include "mlir/Interfaces/ControlFlowInterfaces.td"

def Keops_FormulaFuncOp : Keops_Op<"formula", [IsolatedFromAbove, Symbol,
    SingleBlockImplicitTerminator<"::keops::ReturnOp">]> {
  let summary = "a function of variables given by row, by column, or once";
  let description = [{
    The block's arguments are the arrays of a call, in order; their index set
    says what their rows run over. Every value returned depends on one index or
    none. `unused` arguments only give sizes.

    Values have the type that is computed with. Where arrays hold numbers in a
    shorter one, f16 or bf16 for f32, `argument_storage` and `result_storage`
    say so, with one type for each array: numbers are widened when they are
    read, and results are rounded when they are written.

    Example:
    ```mlir
    keops.formula @gauss(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
      %0 = keops.sub %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
      %1 = keops.mul %0, %0 : !keops.vec<3xf32, ij>, !keops.vec<3xf32, ij>
      %2 = keops.fold #keops.sum %1 : !keops.vec<3xf32, ij>
      %3 = keops.neg %2 : !keops.vec<1xf32, ij>
      %4 = keops.exp %3 : !keops.vec<1xf32, ij>
      %5 = keops.reduce #keops.sum over j (%4) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
      keops.return %5 : !keops.vec<1xf32, i>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeArrayAttr:$result_types,
                       OptionalAttr<TypeArrayAttr>:$argument_storage, OptionalAttr<TypeArrayAttr>:$result_storage);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::TypeRange":$arguments)>];
  let skipDefaultBuilders = 1;
}

def Keops_ReturnOp : Keops_Op<"return", [Pure, ReturnLike, Terminator,
    ParentOneOf<["::keops::FormulaFuncOp", "::keops::ProgramOp", "::keops::KernelOp"]>]> {
  let summary = "the results of a formula, a program or a kernel";
  let description = [{Their types are those that the parent declares, in order.}];
  let arguments = (ins Variadic<Keops_Vec>:$operands);
  let assemblyFormat = "attr-dict ($operands^ `:` type($operands))?";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
}

def Keops_Over : I32EnumAttr<"ReducedIndex", "the index that a reduction removes", [
    I32EnumAttrCase<"I", 1, "i">, I32EnumAttrCase<"J", 2, "j">]> {
  let cppNamespace = "::keops";
  let genSpecializedAttr = 0;
}
// Enums print a space before themselves, so formats suppress their own before them.
def Keops_OverAttr : EnumAttr<Keops_Dialect, Keops_Over, "over">;

def Keops_ReduceOp : Keops_Op<"reduce", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "reduce over one index";
  let description = [{
    Combines the operands over all values of the index `over` with the monoid
    `reduction`. Operands need not depend on that index: a constant is summed
    as often as there are columns. Results lose the index, and have a row for
    each value of the other one, whether they depend on it or not; `once`, where
    no operand depends on the other index, there is one row for the call.
  }];
  let arguments = (ins Keops_ReductionInterface:$reduction, Keops_OverAttr:$over, Variadic<Keops_Number>:$terms,
                       UnitAttr:$once);
  let results = (outs Variadic<Keops_Vec>:$results);
  let assemblyFormat = [{
    $reduction `over` `` $over (`once` $once^)? ` ` `(` $terms `)` attr-dict `:` functional-type($terms, $results)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Derivatives: ops that `keops-expand-derivatives` writes out, so that nothing
// after it knows of them
//===----------------------------------------------------------------------===//

def Keops_GradOp : Keops_Op<"grad", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "a cotangent carried back: (∂f/∂v)ᵀ e";
  let description = [{
    The cotangent of `variable` for the cotangent `cotangent` of `value`, which
    has the same dimension as `value` (D1). Without `total` this is computed for
    each pair on its own, and the result depends on all indices that an operand
    depends on. With `total` it is the gradient of the sum of ⟨e, f⟩ over all
    rows of f: the result depends on the indices of `variable` alone, all others
    are summed over, and reductions may lie between `variable` and `value`. The
    cotangent may then depend on what `value` depends on only (D2).

    `linear` asserts that `value` is linear in `variable` (D3), which is checked
    when the op is expanded.

    Example:
    ```mlir
    %g = keops.grad %k wrt %x cotangent %e : <1xf32, ij>, <3xf32, i>, <1xf32, i>
    ```
  }];
  let arguments = (ins Keops_Number:$value, Keops_Number:$variable, Keops_Number:$cotangent, UnitAttr:$total,
                       UnitAttr:$linear);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = [{
    (`total` $total^)? (`linear` $linear^)? $value `wrt` $variable `cotangent` $cotangent
        attr-dict `:` type($value) `,` type($variable) `,` type($cotangent)
  }];
  let hasVerifier = 1;
}

def Keops_DiffOp : Keops_Op<"diff", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "a tangent carried forward: (∂f/∂v) u";
  let description = [{
    The tangent of `value` for the tangent `tangent` of `variable`, which has
    the same dimension as `variable` (D1). The result depends on what `value`
    depends on, and on what the tangent depends on and the variable does not.
    `linear` as for `keops.grad`.

    Example:
    ```mlir
    %t = keops.diff %k wrt %x tangent %u : <1xf32, ij>, <3xf32, i>, <3xf32, i>
    ```
  }];
  let arguments = (ins Keops_Number:$value, Keops_Number:$variable, Keops_Number:$tangent, UnitAttr:$linear);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = [{
    (`linear` $linear^)? $value `wrt` $variable `tangent` $tangent
        attr-dict `:` type($value) `,` type($variable) `,` type($tangent)
  }];
  let hasVerifier = 1;
}

def Keops_TraceOp : Keops_Op<"trace", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "how much each component changes with its own variable: Σ_k w_k ∂f_k/∂v_k";
  let description = [{
    `value` has the dimension of `variable`, `weights` the same or 1 (R1). The
    result depends on what `value` and the weights depend on. `linear` as for
    `keops.grad`.

    Where components of `value` are made of each other only by way of scalars,
    sums of components for the most part, the derivative is written out at once,
    whatever the dimension; else one tangent for each component, of which there
    may be 256.

    Example:
    ```mlir
    %t = keops.trace %k wrt %x weights %w : <3xf32, ij>, <3xf32, i>, <1xf32>
    ```
  }];
  let arguments = (ins Keops_Number:$value, Keops_Number:$variable, Keops_Number:$weights, UnitAttr:$linear);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = [{
    (`linear` $linear^)? $value `wrt` $variable `weights` $weights
        attr-dict `:` type($value) `,` type($variable) `,` type($weights)
  }];
  let hasVerifier = 1;
}

#endif // KEOPS_DIALECT_FORMULAOPS_TD
