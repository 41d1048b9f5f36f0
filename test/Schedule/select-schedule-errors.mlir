// RUN: keops-opt %s --split-input-file --keops-select-schedule=target=z80 --verify-diagnostics

// expected-error @below {{unknown target 'z80'; expected 'host', a processor that LLVM knows with AVX2 and FMA or with NEON, or one of x86-64-v3 haswell}}
module @unknown_processor {
}

// -----

// A schedule that is there already does not make a target known.
// expected-error @below {{unknown target 'z80'}}
module @unknown_processor_with_a_schedule {
  keops.formula @f(%y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
    %0 = keops.reduce #keops.sum over j (%y) {keops.schedule = #keops.schedule<lane_axis = rows, lanes = 4, rows = 4, columns = 4, chunk = 1, unroll = 0>} : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
    keops.return %0 : !keops.vec<1xf32, i>
  }
}
