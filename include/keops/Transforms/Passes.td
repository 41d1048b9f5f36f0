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

def KeopsExpandDerivatives : Pass<"keops-expand-derivatives", "::keops::FormulaFuncOp"> {
  let summary = "Write out keops.grad and keops.diff";
  let description = [{
    Replaces each derivative by the formula that computes it, through the rules
    of the ops between variable and value, in the order of the formula: an inner
    derivative is written out before the one that differentiates it.

    ```mlir
    %f = keops.exp %x : <3xf32, i>
    %g = keops.grad %f wrt %x cotangent %e : <3xf32, i>, <3xf32, i>, <3xf32, i>
    // becomes
    %f = keops.exp %x : <3xf32, i>
    %g = keops.mul %e, %f : <3xf32, i>, <3xf32, i>
    ```

    The result may depend on fewer indices than the derivative's type said; the
    types of what uses it, those of the formula's results included, follow.
    Values that nothing uses any more are removed.

    It is an error if an op or a reduction on the way has no derivative, if a
    reduction is on the way of a `keops.grad` without `total`, and if a value
    that is said to be `linear` is not.
  }];
}

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
