//===- Passes.td - Choosing how a reduction runs -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decisions, written into the IR as attributes; no computation changes.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_SCHEDULE_PASSES_TD
#define KEOPS_SCHEDULE_PASSES_TD

include "mlir/Pass/PassBase.td"

def KeopsSelectSchedule : Pass<"keops-select-schedule", "::mlir::ModuleOp"> {
  let summary = "Write a schedule on every reduction of a formula";
  let description = [{
    Chooses lanes, tiles and unrolling for a target from its numbers and the
    formula's cost, and writes the target on the module and `keops.schedule` on
    each `keops.reduce`. A schedule that is already there stays.

    ```mlir
    %r = keops.reduce #keops.sum over j (%k) : …
    // becomes
    %r = keops.reduce #keops.sum over j (%k) {keops.schedule = #keops.schedule<lane_axis = rows, …>} : …
    ```
  }];
  let dependentDialects = ["::keops::KeopsDialect"];
  let options = [
    Option<"target", "target", "std::string", "\"host\"",
           "Processor name as LLVM knows it, or `host`">,
    Option<"rows", "rows", "int64_t", "0",
           "Rows that the result will have, as a class: 0 for many">,
    Option<"accurateMath", "accurate-math", "bool", "false",
           "Say on the module that functions are to be accurate, where a GPU has faster ones">,
  ];
}

#endif // KEOPS_SCHEDULE_PASSES_TD
