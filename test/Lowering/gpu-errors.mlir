// RUN: keops-opt %s --keops-tile --keops-lower-stages --keops-approximate-math --split-input-file --verify-diagnostics

// What the GPU mapping does not take is refused where it stands.

#target = #keops.target<"sm_90", vector_bits = 0, registers = 255, l1 = 233472, l2 = 0, scalef = false, gpu = true>
#schedule = #keops.schedule<lane_axis = rows, lanes = 8, rows = 1024, columns = 256, chunk = 1, unroll = 16>
module attributes {keops.target = #target} {
  keops.formula @state_in_memory(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<3xf32, i> {
    %0 = keops.mul %x, %y : <1xf32, i>, <1xf32, j>
    // expected-error @below {{the reduction 'KMin' keeps its state in memory; on a GPU a state must be in registers}}
    %1 = keops.reduce #keops.k_smallest<3, kmin> over j (%0) {keops.schedule = #schedule} : (!keops.vec<1xf32, ij>) -> !keops.vec<3xf32, i>
    keops.return %1 : !keops.vec<3xf32, i>
  }
}

// -----

#target = #keops.target<"sm_90", vector_bits = 0, registers = 255, l1 = 233472, l2 = 0, scalef = false, gpu = true>
#schedule = #keops.schedule<lane_axis = rows, lanes = 8, rows = 1024, columns = 256, chunk = 1, unroll = 16>
module attributes {keops.target = #target} {
  // expected-error @below {{argument 0 of 17 components does not fit: on a GPU each component takes a register, and the schedule unrolls at most 16}}
  keops.formula @long_vector(%x: !keops.vec<17xf32, i>, %y: !keops.vec<17xf32, j>) -> !keops.vec<1xf32, i> {
    %0 = keops.mul %x, %y : <17xf32, i>, <17xf32, j>
    %1 = keops.fold #keops.sum %0 : <17xf32, ij>
    %2 = keops.reduce #keops.sum over j (%1) {keops.schedule = #schedule} : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
    keops.return %2 : !keops.vec<1xf32, i>
  }
}

// -----

#target = #keops.target<"sm_90", vector_bits = 0, registers = 255, l1 = 233472, l2 = 0, scalef = false, gpu = true>
#schedule = #keops.schedule<lane_axis = rows, lanes = 8, rows = 1024, columns = 16384, chunk = 1, unroll = 16>
module attributes {keops.target = #target} {
  // expected-error @below {{a tile of 16384 columns takes 65536 bytes of shared memory, but a block has 49152; fewer columns in the schedule would fit}}
  keops.formula @large_tile(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
    %0 = keops.mul %x, %y : <1xf32, i>, <1xf32, j>
    %1 = keops.reduce #keops.sum over j (%0) {keops.schedule = #schedule} : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
    keops.return %1 : !keops.vec<1xf32, i>
  }
}

// -----

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
  // expected-error @below {{'math.tanh' on 'vector<8xf32>' has no GPU code: it would need a library of device functions}}
  keops.formula @no_instruction(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
    %0 = keops.mul %x, %y : <1xf32, i>, <1xf32, j>
    %1 = keops.tanh %0 : <1xf32, ij>
    %2 = keops.reduce #keops.sum over j (%1) {keops.schedule = #schedule} : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
    keops.return %2 : !keops.vec<1xf32, i>
  }
}

// -----

#target = #keops.target<"sm_90", vector_bits = 0, registers = 255, l1 = 233472, l2 = 0, scalef = false, gpu = true>
#schedule = #keops.schedule<lane_axis = rows, lanes = 8, rows = 1024, columns = 256, chunk = 1, unroll = 16>
module attributes {keops.target = #target} {
  // expected-error @below {{'lgammaf' has no GPU code: it would need a library of device functions}}
  keops.formula @no_op_of_math(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
    %0 = keops.mul %x, %y : <1xf32, i>, <1xf32, j>
    %1 = keops.lgamma %0 : <1xf32, ij>
    %2 = keops.reduce #keops.sum over j (%1) {keops.schedule = #schedule} : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
    keops.return %2 : !keops.vec<1xf32, i>
  }
}
