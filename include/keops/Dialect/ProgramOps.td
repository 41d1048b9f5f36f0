//===- ProgramOps.td - Several passes over the pairs, one after the other -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What one pass cannot compute: rows that a result of a reduction names, and
// reductions that need the results of others.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_PROGRAMOPS_TD
#define KEOPS_DIALECT_PROGRAMOPS_TD

include "keops/Dialect/FormulaOps.td"

// The cotangents that the op builds have the indices of its operands already: nothing is left to be summed.
def Keops_MovesRows : NativeOpTrait<"MovesRows"> { let cppNamespace = "::keops"; }

// The op works on whole arrays, so that a `keops.program` may hold it.
def Keops_ProgramStep : NativeOpTrait<"ProgramStep"> { let cppNamespace = "::keops"; }

//===----------------------------------------------------------------------===//
// Rows by number
//===----------------------------------------------------------------------===//

class Keops_RowsOp<string mnemonic> : Keops_Op<mnemonic, [Pure, Keops_MovesRows, Keops_ProgramStep, Keops_Derivatives,
    DeclareOpInterfaceMethods<InferTypeOpInterface>]>;

def Keops_GatherOp : Keops_RowsOp<"gather"> {
  let summary = "rows of the index `over` by their numbers";
  let description = [{
    `rows` are m numbers of rows of the index `over`, which they do not depend on
    themselves: an ArgMin's result, say. Component r·n + c of the result is
    component c of the operand in row number r, so that K rows of a vector are
    rank-major, as KMin gives them. With g `groups`, the n components of the
    operand are g groups of q, m = K·g, and row number r·g + s is that of group s
    alone: component (r·g + s)·q + c of the result is component s·q + c there.
    That is what the place of each component of an extremum asks for.

    The operand may depend on the other index too, and is then computed for the
    pairs that the numbers name. Every number is that of a row; what is gathered
    from an index without rows is some number, and no fault.

    Constraints: `rows` are i64 and do not depend on `over` (G1), and g divides
    both m and the operand's dimension (G2).

    Example:
    ```mlir
    %near = keops.gather %y over j [%places] : <3xf32, j>, <2xi64, i>   // !keops.vec<6xf32, i>
    ```
  }];
  let arguments = (ins Keops_Number:$operand, Keops_OverAttr:$over, Keops_RowNumbers:$rows,
                       DefaultValuedAttr<I64Attr, "1">:$groups);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = [{
    $operand `over` `` $over ` ` `[` $rows `]` (`groups` $groups^)? attr-dict `:` type($operand) `,` type($rows)
  }];
  let hasVerifier = 1;
}

def Keops_ScatterOp : Keops_RowsOp<"scatter"> {
  let summary = "values put back to the rows of the index `over` that they belong to";
  let description = [{
    The adjoint of `keops.gather` of the same `rows` and `groups`: where row j of
    the index `over` has a number among `rows`, the components of the operand at
    that number, summed over equal numbers; 0 elsewhere. With `total`, the sum of that over all values of the other index,
    added in their order.

    Without `total` the result is a value for each pair that is 0 for nearly all
    of them. It can be used where it is summed over one of its indices, in
    formulas that are linear in it.

    Constraints: G1 and G2 of `keops.gather`, with the result's dimension.

    Example:
    ```mlir
    %sum = keops.scatter total %c over j [%places] : <6xf32, i>, <2xi64, i>   // !keops.vec<3xf32, j>
    ```
  }];
  let arguments = (ins Keops_Number:$operand, Keops_OverAttr:$over, Keops_RowNumbers:$rows,
                       DefaultValuedAttr<I64Attr, "1">:$groups, UnitAttr:$total);
  let results = (outs Keops_Number:$result);
  let assemblyFormat = [{
    (`total` $total^)? $operand `over` `` $over ` ` `[` $rows `]` (`groups` $groups^)?
        attr-dict `:` type($operand) `,` type($rows)
  }];
  let hasVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Programs
//===----------------------------------------------------------------------===//

def Keops_ProgramOp : Keops_Op<"program", [IsolatedFromAbove, Symbol,
    SingleBlockImplicitTerminator<"::keops::ReturnOp">]> {
  let summary = "formulas, one after the other, that feed each other";
  let description = [{
    What a formula is whose reductions need each other, or run over different
    indices. Arguments and results are those of the formula; in between stand
    whole arrays, each for the rows of its index: results of `keops.call`, of
    `keops.gather` and of `keops.scatter total`. Which formula needs what of which
    one is the use of values.

    How arrays hold arguments and results is said as for `keops.formula`. An array
    in between is held as the formula says that makes it, which is as its readers
    expect it (A1), or, of rows that are moved, as it is computed with.

    Example:
    ```mlir
    keops.program @gradient(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %e: !keops.vec<1xf32, i>)
        -> !keops.vec<3xf32, j> {
      %l = keops.call @gradient_0 over j (%x, %y) :
          (!keops.vec<3xf32, i>, !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i>
      %g = keops.call @gradient_1 over i (%x, %y, %e, %l) :
          (!keops.vec<3xf32, i>, !keops.vec<3xf32, j>, !keops.vec<1xf32, i>, !keops.vec<1xf32, i>)
              -> !keops.vec<3xf32, j>
      keops.return %g : !keops.vec<3xf32, j>
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

def Keops_CallOp : Keops_Op<"call", [Pure, Keops_ProgramStep, HasParent<"::keops::ProgramOp">,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "compute a formula for whole arrays";
  let description = [{
    The reductions of the callee all run over the index `over`; without `over`
    it has none.
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, OptionalAttr<Keops_OverAttr>:$over, Variadic<Keops_Vec>:$inputs);
  let results = (outs Variadic<Keops_Vec>:$results);
  let assemblyFormat = [{
    $callee (`over` `` $over^)? ` ` `(` $inputs `)` attr-dict `:` functional-type($inputs, $results)
  }];
}

#endif // KEOPS_DIALECT_PROGRAMOPS_TD
