//===- KeopsDialect.td - The dialect and its op families -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The dialect itself, and the base classes from which every op family derives.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_KEOPSDIALECT_TD
#define KEOPS_DIALECT_KEOPSDIALECT_TD

include "mlir/IR/OpBase.td"

def Keops_Dialect : Dialect {
  let name = "keops";
  let cppNamespace = "::keops";
  let summary = "Reductions of symbolic formulas over pairs of indices";
  let description = [{
    Two levels in one dialect. At the *formula level* a `keops.formula` computes
    small vectors attached to a set of indices (i, j, both, none) and reduces
    them over one index. At the *tile level* a `keops.kernel` says in which
    stage each value is computed (once per call, row, column or pair) and which
    loops over components there are; it is the same for CPU and GPU.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
  let hasConstantMaterializer = 1;
  // Of a choice: both values are right, so that code may be made for each alone, and the first is rearranged arithmetic
  // whose sums may be added in any order.
  let discardableAttrs = (ins "::mlir::UnitAttr":$either);
}

class Keops_Op<string mnemonic, list<Trait> traits = []> :
    Op<Keops_Dialect, mnemonic, traits>;

#endif // KEOPS_DIALECT_KEOPSDIALECT_TD
