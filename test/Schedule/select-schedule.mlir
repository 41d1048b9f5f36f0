// RUN: keops-opt %s --split-input-file --keops-select-schedule=target=x86-64-v3 | FileCheck %s --check-prefixes=CHECK,AVX2,MANY
// RUN: keops-opt %s --split-input-file --keops-select-schedule=target=znver5 | FileCheck %s --check-prefixes=CHECK,AVX512,MANY
// RUN: keops-opt %s --split-input-file --keops-select-schedule=target=neoverse-v2 | FileCheck %s --check-prefixes=CHECK,NEON,MANY
// RUN: keops-opt %s --split-input-file --keops-select-schedule=target=sm_90 | FileCheck %s --check-prefixes=CHECK,GPU,MANY
// RUN: keops-opt %s --split-input-file "--keops-select-schedule=target=znver5 rows=1" | FileCheck %s --check-prefixes=CHECK,FEW

// The target's numbers go onto the module, whose passes read them there.
// AVX2:   module attributes {keops.target = #keops.target<"x86-64-v3", vector_bits = 256, {{.*}} scalef = false, gpu = false>}
// AVX512: module attributes {keops.target = #keops.target<"znver5", vector_bits = 512, {{.*}} scalef = true, gpu = false>}
// NEON:   module attributes {keops.target = #keops.target<"neoverse-v2", vector_bits = 128, {{.*}} scalef = false, gpu = false>}
// GPU:    module attributes {keops.target = #keops.target<"sm_90", vector_bits = 0, {{.*}} gpu = true>}

// Four vectors of rows a step hide the latency of a chain of sums; eight rows
// belong to a GPU's thread. With one row alone, columns fill the lanes instead.
// CHECK-LABEL: keops.formula @four_vectors_hide_latency
// CHECK:         keops.reduce #keops.sum
// AVX2-SAME:       #keops.schedule<lane_axis = rows, lanes = 32,
// AVX512-SAME:     #keops.schedule<lane_axis = rows, lanes = 64,
// NEON-SAME:       #keops.schedule<lane_axis = rows, lanes = 16,
// GPU-SAME:        #keops.schedule<lane_axis = rows, lanes = 8, rows = 1024,
// MANY-SAME:       chunk = 2
// FEW-SAME:        #keops.schedule<lane_axis = columns, lanes = 64,
keops.formula @four_vectors_hide_latency(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<3xf32, i>, !keops.vec<3xf32, j>
  %1 = keops.fold #keops.sum %0 : !keops.vec<3xf32, ij>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// -----

// A vector holds half as many numbers.
// CHECK-LABEL: keops.formula @float64_halves_the_lanes
// CHECK:         keops.reduce #keops.sum
// AVX2-SAME:       lane_axis = rows, lanes = 16,
// AVX512-SAME:     lane_axis = rows, lanes = 32,
// NEON-SAME:       lane_axis = rows, lanes = 8,
// GPU-SAME:        lane_axis = rows, lanes = 4, rows = 512,
// FEW-SAME:        lane_axis = columns, lanes = 32,
keops.formula @float64_halves_the_lanes(%x: !keops.vec<1xf64, i>, %y: !keops.vec<1xf64, j>) -> !keops.vec<1xf64, i> {
  %0 = keops.sub %x, %y : !keops.vec<1xf64, i>, !keops.vec<1xf64, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<1xf64, ij>) -> !keops.vec<1xf64, i>
  keops.return %1 : !keops.vec<1xf64, i>
}

// -----

// Sixteen sums fill registers with few vectors: two of them, and four columns a step.
// CHECK-LABEL: keops.formula @a_wide_state_takes_the_registers
// CHECK:         keops.reduce #keops.sum
// AVX2-SAME:       lane_axis = rows, lanes = 16, {{.*}} chunk = 4,
// AVX512-SAME:     lane_axis = rows, lanes = 32, {{.*}} chunk = 4,
// NEON-SAME:       lane_axis = rows, lanes = 8, {{.*}} chunk = 4,
// GPU-SAME:        lane_axis = rows, lanes = 4, rows = 512,
keops.formula @a_wide_state_takes_the_registers(%x: !keops.vec<16xf32, i>, %y: !keops.vec<16xf32, j>) -> !keops.vec<16xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<16xf32, i>, !keops.vec<16xf32, j>
  %1 = keops.reduce #keops.sum over j (%0) : (!keops.vec<16xf32, ij>) -> !keops.vec<16xf32, i>
  keops.return %1 : !keops.vec<16xf32, i>
}

// -----

// Tests for rare work are cheap on a CPU. Where columns are the lanes there is no chunk.
// CHECK-LABEL: keops.formula @chunk_of_the_reduction
// CHECK:         keops.reduce #keops.logsumexp
// AVX2-SAME:       lane_axis = rows, lanes = 32, {{.*}} chunk = 2,
// AVX512-SAME:     lane_axis = rows, lanes = 64, {{.*}} chunk = 2,
// GPU-SAME:        chunk = 8,
// FEW-SAME:        lane_axis = columns, {{.*}} chunk = 1,
keops.formula @chunk_of_the_reduction(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.logsumexp over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %1 : !keops.vec<1xf32, i>
}

// -----

// An insertion is done for all lanes when one needs it.
// CHECK-LABEL: keops.formula @rare_work_wants_fewer_lanes
// CHECK:         keops.reduce #keops.k_smallest<10, argkmin>
// AVX2-SAME:       lane_axis = rows, lanes = 8, {{.*}} chunk = 8,
// AVX512-SAME:     lane_axis = rows, lanes = 16, {{.*}} chunk = 8,
// NEON-SAME:       lane_axis = rows, lanes = 4, {{.*}} chunk = 8,
// GPU-SAME:        lane_axis = rows, lanes = 4, rows = 512, columns = 256, chunk = 8,
keops.formula @rare_work_wants_fewer_lanes(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<10xi64, i> {
  %0 = keops.sub %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
  %1 = keops.reduce #keops.k_smallest<10, argkmin> over j (%0) : (!keops.vec<1xf32, ij>) -> !keops.vec<10xi64, i>
  keops.return %1 : !keops.vec<10xi64, i>
}

// -----

// Each schedule is of its formula: wide rows and columns make smaller tiles than
// @a_wide_state_takes_the_registers has, so that these stay in the cache. On a
// GPU sixteen columns go through a long row together.
// CHECK-LABEL: keops.formula @tiles_stay_in_the_cache
// CHECK:         keops.reduce #keops.sum
// AVX2-SAME:       lanes = 32, rows = 128, columns = 16,
// AVX512-SAME:     lanes = 64, rows = 256, columns = 16,
// GPU-SAME:        lanes = 4, rows = 512, columns = 16, chunk = 16,
keops.formula @tiles_stay_in_the_cache(%x: !keops.vec<1000xf32, i>, %y: !keops.vec<1000xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : !keops.vec<1000xf32, i>, !keops.vec<1000xf32, j>
  %1 = keops.fold #keops.sum %0 : !keops.vec<1000xf32, ij>
  %2 = keops.reduce #keops.sum over j (%1) : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %2 : !keops.vec<1xf32, i>
}

// -----

// All reductions of a formula run in one pass and get one schedule.
// CHECK-LABEL: keops.formula @reductions_of_one_pass_agree
// CHECK:         keops.reduce #keops.sum {{.*}} {keops.schedule = #keops.schedule<[[SCHEDULE:.*]]>}
// CHECK-NEXT:    keops.reduce #keops.logsumexp {{.*}} {keops.schedule = #keops.schedule<[[SCHEDULE]]>}
keops.formula @reductions_of_one_pass_agree(%y: !keops.vec<1xf32, j>) -> (!keops.vec<1xf32, i>, !keops.vec<1xf32, i>) {
  %0 = keops.reduce #keops.sum over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  %1 = keops.reduce #keops.logsumexp over j (%y) : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  keops.return %0, %1 : !keops.vec<1xf32, i>, !keops.vec<1xf32, i>
}

// -----

// CHECK-LABEL: keops.formula @schedule_by_hand_stays
// CHECK:         keops.reduce #keops.sum {{.*}} {keops.schedule = #keops.schedule<lane_axis = columns, lanes = 4, rows = 1, columns = 12, chunk = 1, unroll = 0>}
keops.formula @schedule_by_hand_stays(%y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.reduce #keops.sum over j (%y) {keops.schedule = #keops.schedule<lane_axis = columns, lanes = 4, rows = 1, columns = 12, chunk = 1, unroll = 0>} : (!keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
  keops.return %0 : !keops.vec<1xf32, i>
}

// -----

// CHECK-LABEL: keops.formula @no_reduction_still_runs_over_rows
// CHECK-SAME:    attributes {keops.schedule = #keops.schedule<lane_axis =
keops.formula @no_reduction_still_runs_over_rows(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32, i> {
  keops.return %x : !keops.vec<1xf32, i>
}

// -----

// One row for the call is as few as there can be, whatever sizes the rest of a program has.
// CHECK-LABEL: keops.formula @once
// CHECK:         keops.reduce #keops.sum over i once
// AVX2-SAME:       lane_axis = columns
// AVX512-SAME:     lane_axis = columns
// FEW-SAME:        lane_axis = columns
keops.formula @once(%x: !keops.vec<1xf32, i>) -> !keops.vec<1xf32> {
  %0 = keops.reduce #keops.sum over i once (%x) : (!keops.vec<1xf32, i>) -> !keops.vec<1xf32>
  keops.return %0 : !keops.vec<1xf32>
}
