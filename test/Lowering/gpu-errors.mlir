// RUN: keops-opt %s --keops-tile --keops-lower-stages --keops-approximate-math --split-input-file --verify-diagnostics

// What the GPU mapping does not take is refused where it stands.

#target = #keops.target<"sm_90", vector_bits = 0, registers = 255, l1 = 233472, l2 = 0, scalef = false, gpu = true>
#schedule = #keops.schedule<lane_axis = rows, lanes = 8, rows = 16384, columns = 256, chunk = 1, unroll = 16>
module attributes {keops.target = #target} {
  // expected-error @below {{has a schedule of 16384 rows with 8 on each thread, that is 2048 threads in a block; a GPU allows 1024}}
  keops.formula @many_threads(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
    %0 = keops.mul %x, %y : <1xf32, i>, <1xf32, j>
    %1 = keops.reduce #keops.sum over j (%0) {keops.schedule = #schedule} : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
    keops.return %1 : !keops.vec<1xf32, i>
  }
}

// -----

#target = #keops.target<"sm_90", vector_bits = 0, registers = 255, l1 = 233472, l2 = 0, scalef = false, gpu = true>
#schedule = #keops.schedule<lane_axis = columns, lanes = 8, rows = 8, columns = 256, chunk = 1, unroll = 16>
module attributes {keops.target = #target} {
  // expected-error @below {{expected a schedule with lane_axis = rows: on a GPU a thread owns rows}}
  keops.formula @columns_as_lanes(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
    %0 = keops.mul %x, %y : <1xf32, i>, <1xf32, j>
    %1 = keops.reduce #keops.sum over j (%0) {keops.schedule = #schedule} : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
    keops.return %1 : !keops.vec<1xf32, i>
  }
}

// -----

#target = #keops.target<"sm_90", vector_bits = 0, registers = 255, l1 = 233472, l2 = 0, scalef = false, gpu = true>
#schedule = #keops.schedule<lane_axis = rows, lanes = 8, rows = 1024, columns = 256, chunk = 1, unroll = 16>
module attributes {keops.target = #target} {
  // expected-error @below {{needs 1920000 bytes of memory for each thread, but a GPU has 524288; fewer lanes or columns a step in the schedule would fit}}
  keops.formula @long_states(%x: !keops.vec<1xf32, i>, %y: !keops.vec<20000xf32, j>) -> !keops.vec<20000xf32, i> {
    %0 = keops.mul %x, %y : <1xf32, i>, <20000xf32, j>
    %1 = keops.reduce #keops.sum over j (%0) {keops.schedule = #schedule} : (!keops.vec<20000xf32, ij>) -> !keops.vec<20000xf32, i>
    keops.return %1 : !keops.vec<20000xf32, i>
  }
}
