// RUN: keops-opt %s --keops-lower-stages --canonicalize --cse | FileCheck %s

//===----------------------------------------------------------------------===//
// Where each stage goes
//===----------------------------------------------------------------------===//

// A function of each stage marks its place: tanh call, exp rows, log columns,
// sin pairs, atan finish.
// CHECK-LABEL: func.func @stages_accumulate(%{{.*}}: !llvm.ptr)
// The launch rule: arguments and results as {axis, dimension, type}, rows of a
// block and of a lane group, and the memory that a block needs.
// CHECK-SAME:    keops.launch = {
// CHECK-SAME:      arguments = [array<i64: 0, 1, 0>, array<i64: 1, 1, 0>, array<i64: 2, 1, 0>]
// CHECK-SAME:      columns_per_tile = 32 : i64
// CHECK-SAME:      entry = "stages"
// CHECK-SAME:      results = [array<i64: 0, 1, 0>]
// CHECK-SAME:      row_granularity = 8 : i64
// CHECK-SAME:      rows_per_block = 64 : i64
// CHECK-SAME:      scratch_bytes = {{[0-9]+}} : i64
// CHECK-SAME:      state_bytes = 512 : i64
//
// The block's rows are copied, then the stage of rows runs, eight at a time, outside of all columns.
// CHECK:         scf.for {{.*}} step %c1_i64
// CHECK:           llvm.store %{{.*}} : f32
// CHECK:         scf.for {{.*}} step %c8_i64
// CHECK:           math.exp %{{.*}} : vector<8xf32>
// CHECK-NOT:     math.
// CHECK:         scf.for {{.*}} step %c8_i64
// CHECK-NEXT:      {{.*}} = llvm.getelementptr
// CHECK:           llvm.store %{{.*}} : vector<8xf64>
//
// A tile takes columns of one interval after the other until it is full; their stage runs once for all rows.
// CHECK:         scf.while
// CHECK:           scf.while
// CHECK:             arith.cmpi slt, %{{.*}}, %c32_i64
// CHECK:             scf.for {{.*}} step %c1_i64
// CHECK:               llvm.store %{{.*}} : f32
// CHECK:             scf.yield
// CHECK-NEXT:        }
// CHECK-NEXT:        scf.for {{.*}} step %c1_i64
// CHECK:               math.log %{{.*}} : f32
// CHECK-NOT:           math.
// CHECK:             {{^ *}$}}
//
// For each group of rows: row values once, then the tile's columns, each broadcast to the lanes.
// CHECK-NEXT:        scf.for {{.*}} step %c8_i64
// CHECK:               %[[ROW:.*]] = llvm.load %{{.*}} -> vector<8xf32>
// CHECK-NEXT:          %[[SUM:.*]] = scf.for {{.*}} step %c1_i64 iter_args(%[[PARTIAL:.*]] = %{{.*}}) -> (vector<8xf32>)
// CHECK:                 %[[COL:.*]] = llvm.load %{{.*}} -> f32
// CHECK-NEXT:            %[[LANES:.*]] = vector.broadcast %[[COL]] : f32 to vector<8xf32>
// CHECK-NEXT:            %[[PRODUCT:.*]] = arith.mulf %[[ROW]], %[[LANES]]
// CHECK-NEXT:            %[[SIN:.*]] = math.sin %[[PRODUCT]] : vector<8xf32>
// CHECK-NEXT:            %[[NEXT:.*]] = arith.addf %[[PARTIAL]], %[[SIN]] {{.*}}: vector<8xf32>
// CHECK-NEXT:            scf.yield %[[NEXT]]
// CHECK-NEXT:          }
//
// The sum of a tile is float32; sums of tiles are added in float64.
// CHECK:               %[[BEFORE:.*]] = llvm.load %{{.*}} -> vector<8xf64>
// CHECK-NEXT:          %[[WIDE:.*]] = arith.extf %[[SUM]] : vector<8xf32> to vector<8xf64>
// CHECK-NEXT:          %[[AFTER:.*]] = arith.addf %[[BEFORE]], %[[WIDE]]
// CHECK-NEXT:          llvm.store %[[AFTER]]
// CHECK-NOT:     math.
// CHECK:         return

// Call-stage work comes before all loops; the states of column ranges are
// merged, then the finish stage runs once per row.
// CHECK-LABEL: func.func @stages_finalize(%{{.*}}: !llvm.ptr)
// CHECK-NOT:     scf.for
// CHECK:         %[[TANH:.*]] = math.tanh %{{.*}} : f32
// CHECK:         scf.for
// CHECK:           scf.for %{{.*}} = %c1_i64 to %{{.*}} step %c1_i64
// CHECK:             arith.addf %{{.*}} : vector<8xf64>
// CHECK:           %[[NARROW:.*]] = arith.truncf %{{.*}} : vector<8xf64> to vector<8xf32>
// CHECK-NEXT:      %[[ATAN:.*]] = math.atan %[[NARROW]]
// CHECK-NEXT:      %[[SCALE:.*]] = vector.broadcast %[[TANH]]
// CHECK-NEXT:      arith.mulf %[[ATAN]], %[[SCALE]]
// Only rows that exist are written.
// CHECK:           arith.minsi
// CHECK-NEXT:      scf.for
// CHECK:             llvm.store %{{.*}} : f32
keops.kernel @stages(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>, %p: !keops.vec<1xf32>) -> !keops.vec<1xf32, i>
    schedule <lane_axis = rows, lanes = 8, rows = 64, columns = 32, chunk = 1, unroll = 16> {
  %call = keops.stage call -> !keops.vec<1xf32> {
    %0 = keops.tanh %p : !keops.vec<1xf32>
    keops.yield %0 : !keops.vec<1xf32>
  }
  %rows = keops.stage rows -> !keops.vec<1xf32, i> {
    %0 = keops.exp %x : !keops.vec<1xf32, i>
    keops.yield %0 : !keops.vec<1xf32, i>
  }
  %cols = keops.stage cols -> !keops.vec<1xf32, j> {
    %0 = keops.log %y : !keops.vec<1xf32, j>
    keops.yield %0 : !keops.vec<1xf32, j>
  }
  %pairs = keops.stage pairs -> !keops.vec<1xf32, i> {
    %0 = keops.mul %rows, %cols : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
    %1 = keops.sin %0 : !keops.vec<1xf32, ij>
    %2 = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      keops.yield %1 : !keops.vec<1xf32, ij>
    } : !keops.vec<1xf32, i>
    keops.yield %2 : !keops.vec<1xf32, i>
  }
  %finish = keops.stage finish -> !keops.vec<1xf32, i> {
    %0 = keops.atan %pairs : !keops.vec<1xf32, i>
    %1 = keops.mul %0, %call : !keops.vec<1xf32, i>, !keops.vec<1xf32>
    keops.yield %1 : !keops.vec<1xf32, i>
  }
  keops.return %finish : !keops.vec<1xf32, i>
}

// What only pairs need of the call is computed before the block's first loop;
// what does not depend on the lanes' index stays a scalar until it meets them.
// CHECK-LABEL: func.func @call_stage_comes_first_accumulate
// CHECK-NOT:     scf.for
// CHECK:         %[[SCALE:.*]] = math.tanh %{{.*}} : f32
// CHECK-NOT:     math.tanh
// CHECK:         iter_args
// CHECK:           %[[PRODUCT:.*]] = arith.mulf %{{.*}}, %[[SCALE]] {{.*}}: f32
// CHECK-NEXT:      vector.broadcast %[[PRODUCT]] : f32 to vector<8xf32>
// CHECK-NOT:     math.tanh
// CHECK:         return
keops.kernel @call_stage_comes_first(%y: !keops.vec<1xf32, j>, %p: !keops.vec<1xf32>) -> !keops.vec<1xf32, i>
    schedule <lane_axis = rows, lanes = 8, rows = 8, columns = 8, chunk = 1, unroll = 16> {
  %call = keops.stage call -> !keops.vec<1xf32> {
    %0 = keops.tanh %p : !keops.vec<1xf32>
    keops.yield %0 : !keops.vec<1xf32>
  }
  %pairs = keops.stage pairs -> !keops.vec<1xf32, i> {
    %0 = keops.mul %y, %call : !keops.vec<1xf32, j>, !keops.vec<1xf32>
    %1 = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      keops.yield %0 : !keops.vec<1xf32, j>
    } : !keops.vec<1xf32, i>
    keops.yield %1 : !keops.vec<1xf32, i>
  }
  keops.return %pairs : !keops.vec<1xf32, i>
}

//===----------------------------------------------------------------------===//
// Fields of the schedule
//===----------------------------------------------------------------------===//

// Where columns are the lanes, a row at a time is broadcast; the columns that
// do not fill a vector take part under a mask, and lanes are added at the end
// of the tile, in order.
// CHECK-LABEL: func.func @columns_on_lanes_accumulate
// CHECK-SAME:    row_granularity = 1 : i64
// CHECK:         %[[WHOLE:.*]] = scf.for {{.*}} step %c8_i64 iter_args({{.*}}) -> (vector<8xf32>)
// CHECK-NOT:       arith.select
// CHECK:           scf.yield
// CHECK:         %[[ALL:.*]] = scf.for {{.*}} step %c8_i64 iter_args(%[[PARTIAL:.*]] = %[[WHOLE]]) -> (vector<8xf32>)
// CHECK:           %[[INSIDE:.*]] = arith.cmpi slt
// CHECK:           %[[ADDED:.*]] = arith.addf %[[PARTIAL]]
// CHECK:           arith.select %[[INSIDE]], %[[ADDED]], %[[PARTIAL]]
// CHECK:         llvm.store %[[ALL]]
// CHECK:         scf.for {{.*}} step %c1_i64
// CHECK:           arith.addf %{{.*}} : f64
keops.kernel @columns_on_lanes(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
    schedule <lane_axis = columns, lanes = 8, rows = 8, columns = 64, chunk = 1, unroll = 16> {
  %pairs = keops.stage pairs -> !keops.vec<1xf32, i> {
    %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
    %1 = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      keops.yield %0 : !keops.vec<1xf32, ij>
    } : !keops.vec<1xf32, i>
    keops.yield %1 : !keops.vec<1xf32, i>
  }
  keops.return %pairs : !keops.vec<1xf32, i>
}

// A chunk of columns shares one test for a new maximum; the rest goes one by one.
// CHECK-LABEL: func.func @chunks_of_columns_accumulate
// CHECK:         scf.for {{.*}} step %c4_i64 iter_args({{.*}}) -> (vector<8xf32>, vector<8xf32>)
// CHECK-COUNT-4:   arith.mulf
// CHECK:           scf.if
// CHECK:             math.exp
// CHECK:           else
// CHECK-COUNT-4:   math.exp
// CHECK-NOT:       math.exp
// CHECK:           scf.yield
// CHECK:         scf.for {{.*}} step %c1_i64 iter_args({{.*}}) -> (vector<8xf32>, vector<8xf32>)
keops.kernel @chunks_of_columns(%x: !keops.vec<1xf32, i>, %y: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i>
    schedule <lane_axis = rows, lanes = 8, rows = 8, columns = 64, chunk = 4, unroll = 16> {
  %pairs = keops.stage pairs -> !keops.vec<1xf32, i> {
    %0 = keops.mul %x, %y : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
    %1 = keops.accumulate #keops.logsumexp over [1] {
    ^bb0(%d: index):
      keops.yield %0 : !keops.vec<1xf32, ij>
    } : !keops.vec<1xf32, i>
    keops.yield %1 : !keops.vec<1xf32, i>
  }
  keops.return %pairs : !keops.vec<1xf32, i>
}

// Within `unroll` components a level is straight-line code, beyond it a loop.
// CHECK-LABEL: func.func @short_levels_unroll_accumulate
// CHECK:         iter_args
// CHECK-COUNT-4:   arith.mulf
// CHECK-NOT:       arith.mulf
// CHECK:           scf.yield
keops.kernel @short_levels_unroll(%x: !keops.vec<4xf32, i>, %y: !keops.vec<4xf32, j>) -> !keops.vec<1xf32, i>
    schedule <lane_axis = rows, lanes = 8, rows = 8, columns = 8, chunk = 1, unroll = 4> {
  %pairs = keops.stage pairs -> !keops.vec<1xf32, i> {
    %0 = keops.contract #keops.sum over 4 {
    ^bb0(%d: index):
      %1 = keops.component %x[%d] : !keops.vec<4xf32, i>
      %2 = keops.component %y[%d] : !keops.vec<4xf32, j>
      %3 = keops.mul %1, %2 : !keops.vec<1xf32, i>, !keops.vec<1xf32, j>
      keops.yield %3 : !keops.vec<1xf32, ij>
    } : !keops.vec<1xf32, ij>
    %1 = keops.accumulate #keops.sum over [1] {
    ^bb0(%d: index):
      keops.yield %0 : !keops.vec<1xf32, ij>
    } : !keops.vec<1xf32, i>
    keops.yield %1 : !keops.vec<1xf32, i>
  }
  keops.return %pairs : !keops.vec<1xf32, i>
}

// Row numbers come out as 64 bit integers: type 2 of the launch rule; float64 is 1.
// CHECK-LABEL: func.func @types_of_the_launch_rule_accumulate
// CHECK-SAME:    arguments = [array<i64: 1, 1, 1>]
// CHECK-SAME:    results = [array<i64: 0, 1, 2>]
keops.kernel @types_of_the_launch_rule(%y: !keops.vec<1xf64, j>) -> !keops.vec<1xi64, i>
    schedule <lane_axis = rows, lanes = 4, rows = 4, columns = 8, chunk = 1, unroll = 16> {
  %pairs = keops.stage pairs -> !keops.vec<1xi64, i> {
    %0 = keops.accumulate #keops.extremum<argmin> over [1] {
    ^bb0(%d: index):
      keops.yield %y : !keops.vec<1xf64, j>
    } : !keops.vec<1xi64, i>
    keops.yield %0 : !keops.vec<1xi64, i>
  }
  keops.return %pairs : !keops.vec<1xi64, i>
}

// CHECK-NOT: keops.kernel
