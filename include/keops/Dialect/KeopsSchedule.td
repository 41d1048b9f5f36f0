//===- KeopsSchedule.td - Schedule and target, as data -*- tablegen -*-===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Decisions and machine numbers as attributes: one pass writes them, others
// read them, and nobody asks the machine.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_DIALECT_KEOPSSCHEDULE_TD
#define KEOPS_DIALECT_KEOPSSCHEDULE_TD

include "keops/Dialect/KeopsDialect.td"
include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"

def Keops_LaneAxis : I32EnumAttr<"LaneAxis", "the index that runs over lanes", [
    I32EnumAttrCase<"Rows", 0, "rows">, I32EnumAttrCase<"Columns", 1, "columns">]> {
  let cppNamespace = "::keops";
  let genSpecializedAttr = 0;
}

def Keops_ScheduleAttr : AttrDef<Keops_Dialect, "Schedule"> {
  let mnemonic = "schedule";
  let summary = "how a reduction runs; never what it computes";
  let description = [{
    - `lane_axis`: the index whose values share one instruction. `columns` is for
      so few rows that they fill no vector.
    - `lanes`: values handled by one step of the inner loop: several vectors on a
      CPU, the rows of one thread on a GPU.
    - `rows`: rows of one block, a multiple of `lanes` when rows are the lanes.
      On a GPU: rows of one thread block.
    - `columns`: columns of one tile; partial sums are flushed once per tile.
    - `chunk`: columns handled together by one step of the inner loop.
    - `unroll`: a loop over at most this many components is unrolled.
  }];
  let parameters = (ins EnumParameter<Keops_LaneAxis>:$laneAxis, "int64_t":$lanes, "int64_t":$rows,
                        "int64_t":$columns, "int64_t":$chunk, "int64_t":$unroll);
  let assemblyFormat = [{
    `<` `lane_axis` `=` $laneAxis `,` `lanes` `=` $lanes `,` `rows` `=` $rows `,` `columns` `=` $columns `,`
        `chunk` `=` $chunk `,` `unroll` `=` $unroll `>`
  }];
  let genVerifyDecl = 1;
}

def Keops_TargetAttr : AttrDef<Keops_Dialect, "Target"> {
  let mnemonic = "target";
  let summary = "the numbers of one processor that a schedule needs";
  let description = [{
    `name` is LLVM's processor name. `vector_bits` and `registers` describe the
    vector unit of a CPU (0 on a GPU); `l1` and `l2` are the bytes of fast
    memory that belong to one core (shared memory of one block on a GPU);
    `scalef` says that scaling by a power of two is one instruction;
    `gpu` that code is for a GPU.
  }];
  let parameters = (ins StringRefParameter<>:$name, "int64_t":$vectorBits, "int64_t":$registers, "int64_t":$l1,
                        "int64_t":$l2, "bool":$scalef, "bool":$gpu);
  let assemblyFormat = [{
    `<` $name `,` `vector_bits` `=` $vectorBits `,` `registers` `=` $registers `,` `l1` `=` $l1 `,` `l2` `=` $l2 `,`
        `scalef` `=` $scalef `,` `gpu` `=` $gpu `>`
  }];
}

#endif // KEOPS_DIALECT_KEOPSSCHEDULE_TD
