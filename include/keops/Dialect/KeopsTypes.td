//===- KeopsTypes.td - Value types -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one value type: a small vector attached to a set of indices.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_KEOPSTYPES_TD
#define KEOPS_DIALECT_KEOPSTYPES_TD

include "keops/Dialect/KeopsDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Keops_VecType : TypeDef<Keops_Dialect, "Vec"> {
  let mnemonic = "vec";
  let summary = "a vector of components for each value of a set of indices";
  let description = [{
    `dim` components of `elementType`, one such vector for each value of the
    indices in `indices`: a row variable has `i`, a column variable `j`, what is
    computed from both `ij`, and a parameter none. The set decides how often a
    value is computed: what depends on i alone once per row, and so on.

    Element types are f32 and f64 for numbers, i1 for comparisons and i64 for
    row numbers.

    Example:
    ```mlir
    !keops.vec<3xf32, i>     !keops.vec<1xf32, ij>     !keops.vec<2xf64>
    ```
  }];
  let parameters = (ins "int64_t":$dim, "::mlir::Type":$elementType, "::keops::IndexSet":$indices);
  let hasCustomAssemblyFormat = 1;
  let genVerifyDecl = 1;
  let extraClassDeclaration = [{
    bool isScalar() const { return getDim() == 1; }
    /// The same element type and indices with another dimension.
    VecType withDim(int64_t dim) const { return get(getContext(), dim, getElementType(), getIndices()); }
    VecType withElement(::mlir::Type type) const { return get(getContext(), getDim(), type, getIndices()); }
    VecType withIndices(::keops::IndexSet set) const { return get(getContext(), getDim(), getElementType(), set); }
  }];
}

// Numbers, comparisons and row numbers; an op takes the narrowest class that it means.
def Keops_Vec : Type<CPred<"::llvm::isa<::keops::VecType>($_self)">, "keops vector", "::keops::VecType">;
def Keops_Number : Type<CPred<"::llvm::isa<::keops::VecType>($_self) && "
    "::llvm::isa<::mlir::FloatType>(::llvm::cast<::keops::VecType>($_self).getElementType())">,
    "keops vector of floating point numbers", "::keops::VecType">;
def Keops_Mask : Type<CPred<"::llvm::isa<::keops::VecType>($_self) && "
    "::llvm::cast<::keops::VecType>($_self).getElementType().isInteger(1)">,
    "keops vector of i1", "::keops::VecType">;
def Keops_RowNumbers : Type<CPred<"::llvm::isa<::keops::VecType>($_self) && "
    "::llvm::cast<::keops::VecType>($_self).getElementType().isInteger(64)">,
    "keops vector of row numbers, i64", "::keops::VecType">;
def Keops_Scalar : Type<CPred<"::llvm::isa<::keops::VecType>($_self) && "
    "::llvm::cast<::keops::VecType>($_self).getDim() == 1">,
    "keops vector of dimension 1", "::keops::VecType">;

#endif // KEOPS_DIALECT_KEOPSTYPES_TD
