//===- Passes.td - Target-blind rewriting of formulas -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// keops → keops, without knowledge of a target.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TRANSFORMS_PASSES_TD
#define KEOPS_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

def KeopsSimplify : Pass<"keops-simplify", "::keops::FormulaFuncOp"> {
  let summary = "Fold constants, share common values, and move work to where it is done less often";
  let description = [{
    Runs the ops' own folders and canonicalisations to a fixed point, then
    merges equal values and removes unused ones. A division by what depends on
    fewer indices becomes a product with an inverse, which is then computed once
    per row, column or call:

    ```mlir
    %3 = keops.div %d, %g : <1xf32, ij>, <1xf32>
    // becomes
    %one = keops.constant 1.0 : <1xf32>
    %inverse = keops.div %one, %g : <1xf32>, <1xf32>
    %3 = keops.mul %d, %inverse : <1xf32, ij>, <1xf32>
    ```

    Values change by roundings only. Arguments stay, used or not.
  }];
}

#endif // KEOPS_TRANSFORMS_PASSES_TD
