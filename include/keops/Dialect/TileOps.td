//===- TileOps.td - The tile level -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A kernel says in which stage a value is computed and which loops over
// components there are; it does not say on what lanes, in what order of tiles
// or in which memory. It is the common ground of CPU and GPU.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_TILEOPS_TD
#define KEOPS_DIALECT_TILEOPS_TD

include "keops/Dialect/FormulaOps.td"
include "keops/Dialect/KeopsSchedule.td"

def Keops_StageKind : I32EnumAttr<"StageKind", "how often a stage runs", [
    I32EnumAttrCase<"Call", 0, "call">, I32EnumAttrCase<"Rows", 1, "rows">, I32EnumAttrCase<"Cols", 2, "cols">,
    I32EnumAttrCase<"Pairs", 3, "pairs">, I32EnumAttrCase<"Finish", 4, "finish">]> {
  let cppNamespace = "::keops";
  let genSpecializedAttr = 0;
}
def Keops_StageKindAttr : EnumAttr<Keops_Dialect, Keops_StageKind, "stage_kind">;

def Keops_KernelOp : Keops_Op<"kernel", [IsolatedFromAbove, Symbol,
    SingleBlockImplicitTerminator<"::keops::ReturnOp">]> {
  let summary = "a reduction as stages over rows, columns and pairs";
  let description = [{
    Arguments are those of the formula; index i is the one the result keeps and j
    the one reduced away (tiling renames them where the formula reduces over i).
    The body is a list of stages, at most one of each kind, in this order:

    - `call`: once per call, from parameters;
    - `rows`: once per row, from `call` values and row variables;
    - `cols`: once per column and tile, from `call` values and column variables;
    - `pairs`: once per pair, from everything above; it holds the DAG of
      levels (`keops.contract`) and ends in `keops.accumulate`;
    - `finish`: once per row, from the results of `pairs`.

    What a stage yields is stored and may be read by later stages. How arrays
    hold arguments and results is said as for `keops.formula`.

    Example:
    ```mlir
    keops.kernel @gauss(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i>
        schedule <lane_axis = rows, lanes = 32, rows = 512, columns = 256, chunk = 1, unroll = 16> {
      %a = keops.stage pairs -> !keops.vec<1xf32, i> {
        %s = keops.contract #keops.sum over 3 {
        ^bb0(%d: index):
          %xd = keops.component %x[%d] : !keops.vec<3xf32, i>
          %yd = keops.component %y[%d] : !keops.vec<3xf32, j>
          %t = keops.sub %xd, %yd : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
          %u = keops.mul %t, %t : !keops.vec<1xf32, ij>, !keops.vec<1xf32, ij>
          keops.yield %u : !keops.vec<1xf32, ij>
        } : !keops.vec<1xf32, ij>
        ...
        %r = keops.accumulate #keops.sum over [1] { ... } : !keops.vec<1xf32, i>
        keops.yield %r : !keops.vec<1xf32, i>
      }
      keops.return %a : !keops.vec<1xf32, i>
    }
    ```
  }];
  let arguments = (ins SymbolNameAttr:$sym_name, TypeArrayAttr:$result_types, OptionalAttr<Keops_ScheduleAttr>:$schedule,
                       OptionalAttr<TypeArrayAttr>:$argument_storage, OptionalAttr<TypeArrayAttr>:$result_storage);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let skipDefaultBuilders = 1;
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::TypeRange":$arguments, "::mlir::TypeRange":$results)>];
  let extraClassDeclaration = [{
    /// The stage of a kind, or null.
    ::keops::StageOp getStage(::keops::StageKind kind);
  }];
}

def Keops_StageOp : Keops_Op<"stage", [Pure, HasParent<"::keops::KernelOp">,
    SingleBlockImplicitTerminator<"::keops::YieldOp">]> {
  let summary = "what is computed once per call, row, column or pair";
  let description = [{
    The kind says how often the body runs. What it yields is stored, one vector for each
    run, and read by later stages through `keops.component`; scalars are read as they are.
    A result may depend only on the indices of its stage.
  }];
  let arguments = (ins Keops_StageKindAttr:$kind);
  let results = (outs Variadic<Keops_Vec>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "`` $kind (`->` type($results)^)? $body attr-dict";
  let hasRegionVerifier = 1;
}

def Keops_YieldOp : Keops_Op<"yield", [Pure, ReturnLike, Terminator,
    ParentOneOf<["::keops::StageOp", "::keops::ContractOp", "::keops::MapOp", "::keops::AccumulateOp"]>]> {
  let summary = "the values of a stage or of one component";
  let description = [{Of `keops.contract`, `keops.map` and a region of `keops.accumulate` it is one scalar.}];
  let arguments = (ins Variadic<Keops_Vec>:$operands);
  let assemblyFormat = "attr-dict ($operands^ `:` type($operands))?";
  let builders = [OpBuilder<(ins), [{ build($_builder, $_state, ::mlir::ValueRange()); }]>];
}

def Keops_ComponentOp : Keops_Op<"component", [Pure, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "one component of a stored vector";
  let description = [{
    The vector is an argument of the kernel, a result of a stage, or a map: those
    are the vectors that exist in memory.
  }];
  let arguments = (ins Keops_Vec:$vector, Index:$position);
  let results = (outs Keops_Scalar:$result);
  let assemblyFormat = "$vector `[` $position `]` attr-dict `:` type($vector)";
  let hasVerifier = 1;
}

def Keops_PositionOp : Keops_Op<"position", [Pure]> {
  let summary = "a component's position as a number";
  let description = [{What compares positions with computed numbers, such as a one-hot vector, needs them so.}];
  let arguments = (ins Index:$position);
  let results = (outs Keops_Scalar:$result);
  let assemblyFormat = "$position attr-dict `:` type($result)";
}

def Keops_ExtendOp : Keops_Op<"extend", [Pure]> {
  let summary = "a value seen as one that depends on more indices";
  let description = [{Joins the branches of an `scf.if` that depend on different indices.}];
  let arguments = (ins Keops_Vec:$operand);
  let results = (outs Keops_Vec:$result);
  let assemblyFormat = "$operand attr-dict `:` type($operand) `to` type($result)";
  let hasVerifier = 1;
}

def Keops_ContractOp : Keops_Op<"contract", [Pure, SingleBlock]> {
  let summary = "a level: reduce a loop over components to a scalar";
  let description = [{
    The region computes the scalar for component %d from stored vectors and from
    scalars of earlier levels; nothing per component is kept.
  }];
  let arguments = (ins Keops_ReductionInterface:$reduction, I64Attr:$count);
  let results = (outs Keops_Scalar:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$reduction `over` $count $body attr-dict `:` type($result)";
  let hasRegionVerifier = 1;
}

def Keops_MapOp : Keops_Op<"map", [Pure, SingleBlock]> {
  let summary = "store a vector component by component";
  let description = [{
    For what cannot be recomputed cheaply where it is used: a value of a row or
    column stage that later stages read, or, among pairs, a vector whose
    components each cost many others; then it is scratch memory of the lane.
    Components are computed in increasing order; a second argument of the region
    is the vector itself, of which earlier components may be read: a recurrence.
  }];
  let results = (outs Keops_Vec:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$body attr-dict `:` type($result)";
  let hasRegionVerifier = 1;
}

def Keops_AccumulateOp : Keops_Op<"accumulate", [Pure]> {
  let summary = "add a column's terms to a reduction";
  let description = [{
    One region for each operand of the reduction computes component %d of it, of
    `dims[k]` in all. The results are what the reduction gives once all columns
    are added; only `yield` of the stage may use them.
  }];
  let arguments = (ins Keops_ReductionInterface:$reduction, DenseI64ArrayAttr:$dims);
  let results = (outs Variadic<Keops_Vec>:$results);
  let regions = (region VariadicRegion<SizedRegion<1>>:$terms);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
}

#endif // KEOPS_DIALECT_TILEOPS_TD
