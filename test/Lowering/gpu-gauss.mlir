// RUN: keops-opt %s --keops-select-schedule=target=sm_90 --keops-tile --cse --keops-lower-stages --canonicalize --cse | FileCheck %s

// A thread owns eight rows 128 apart, so that threads read neighbours; what lies beyond the end repeats the last row.
// A column is four numbers in shared memory, written and read as one word, between barriers; the next one's are copied
// ahead. Sums of a tile are f32
// and tiles are added in f64.

keops.formula @gauss(%x: !keops.vec<3xf32, i>, %y: !keops.vec<3xf32, j>, %b: !keops.vec<1xf32, j>) -> !keops.vec<1xf32, i> {
  %0 = keops.sub %x, %y : <3xf32, i>, <3xf32, j>
  %1 = keops.mul %0, %0 : <3xf32, ij>, <3xf32, ij>
  %2 = keops.fold #keops.sum %1 : <3xf32, ij>
  %3 = keops.neg %2 : <1xf32, ij>
  %4 = keops.exp %3 : <1xf32, ij>
  %5 = keops.mul %4, %b : <1xf32, ij>, <1xf32, j>
  %6 = keops.reduce #keops.sum over j (%5) {keops.schedule = #keops.schedule<lane_axis = rows, lanes = 8, rows = 1024, columns = 256, chunk = 1, unroll = 16>} : (!keops.vec<1xf32, ij>) -> !keops.vec<1xf32, i>
  keops.return %6 : !keops.vec<1xf32, i>
}

// CHECK-LABEL: gpu.module @gauss
// CHECK: llvm.mlir.global internal @tile() {addr_space = 3 : i32, alignment = 16 : i64} : !llvm.array<1024 x f32>
// CHECK: gpu.func @gauss(%[[X:[^:]*]]: !llvm.ptr<1>, %[[XROW:[^:]*]]: i64, %{{[^:]*}}: i64, %[[Y:[^:]*]]: !llvm.ptr<1>, {{.*}}, %[[OUT:[^:]*]]: !llvm.ptr<1>, %[[ROWS:[^:]*]]: i64, %[[BLOCKS:[^:]*]]: !llvm.ptr<1>, %[[INTERVALS:[^:]*]]: !llvm.ptr<1>, %[[OFFSETS:[^:]*]]: !llvm.ptr<1>, %[[STATES:[^:]*]]: !llvm.ptr<1>, %[[STATEBYTES:[^:]*]]: i64) kernel
// CHECK-SAME: keops.launch = {arguments = [array<i64: 0, 3, 0>, array<i64: 1, 3, 0>, array<i64: 1, 1, 0>], entry = "gauss", results = [array<i64: 0, 1, 0>], rows_per_block = 1024 : i64, state_bytes = 8192 : i64, threads = 128 : i64}
// CHECK-SAME: known_block_size = array<i32: 128, 1, 1>

// The arrays of this block's batch, its rows, and the intervals of its columns.

// CHECK: gpu.block_id y
// CHECK: llvm.getelementptr %[[OFFSETS]]
// CHECK: %[[XBATCH:.*]] = llvm.getelementptr %[[X]]
// CHECK: %[[YBATCH:.*]] = llvm.getelementptr %[[Y]]
// CHECK: arith.muli %{{.*}}, %[[ROWS]]
// CHECK: %[[OUTBATCH:.*]] = llvm.getelementptr %[[OUT]]
// CHECK: arith.muli %{{.*}}, %[[STATEBYTES]]
// CHECK: %[[LEFT:.*]] = llvm.getelementptr %[[STATES]]
// CHECK: gpu.block_id x
// CHECK: llvm.getelementptr %[[BLOCKS]]
// CHECK: %[[BEGIN:.*]] = llvm.load
// CHECK: %[[FIRST:.*]] = arith.addi %[[BEGIN]], %{{.*}} : i64
// CHECK: %[[END:.*]] = llvm.load
// CHECK: %[[SECOND:.*]] = arith.addi %[[FIRST]], %c128_i64
// CHECK: %[[LAST:.*]] = arith.subi %[[END]], %c1_i64
// CHECK: %[[ROW:[^ ]*]] = arith.minsi %[[FIRST]], %[[LAST]]
// CHECK: %[[INDEX:[^ ]*]] = arith.muli %[[ROW]], %[[XROW]] : i64
// CHECK: llvm.getelementptr %[[XBATCH]][%[[INDEX]]]
// CHECK: %[[X0:.*]] = vector.from_elements {{.*}} : vector<8xf32>

// CHECK: scf.for %{{.*}} = %{{.*}} to %{{.*}} step %c1_i64 iter_args(%[[ALL:.*]] = %{{.*}}) -> (vector<8xf64>) : i64
// CHECK: llvm.getelementptr %[[INTERVALS]]
// CHECK: llvm.getelementptr %[[YBATCH]]
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK: scf.for %[[TILE:.*]] = %{{.*}} to %{{.*}} step %c256_i64 iter_args(%[[SUM:.*]] = %[[ALL]]) -> (vector<8xf64>) : i64
// CHECK: %[[COUNT:.*]] = arith.trunci
// CHECK: nvvm.cp.async.wait.group 0
// CHECK: gpu.barrier
// CHECK: scf.for %[[MINE:.*]] = %{{.*}} to %[[COUNT]] step %c128_i32
// CHECK: llvm.store %{{.*}} {alignment = 16 : i64} : vector<4xf32>, !llvm.ptr<3>
// CHECK: gpu.barrier
// CHECK: llvm.getelementptr %[[YBATCH]]
// CHECK: nvvm.cp.async.shared.global
// CHECK: nvvm.cp.async.commit.group
// CHECK: %[[PARTIAL:.*]] = scf.for %{{.*}} = %c0_i32 to %[[COUNT]] step %c1_i32 iter_args({{.*}}) -> (vector<8xf32>) : i32
// CHECK-COUNT-1: llvm.load %{{.*}} {alignment = 16 : i64} : !llvm.ptr<3> -> vector<4xf32>
// CHECK-NOT: llvm.load
// CHECK: math.exp {{.*}} : vector<8xf32>
// CHECK: {llvm.loop_annotation = #{{.*}}}
// CHECK: %[[WIDE:.*]] = arith.extf %[[PARTIAL]] : vector<8xf32> to vector<8xf64>
// CHECK: arith.addf %[[SUM]], %[[WIDE]]

// The fifth word of the block's entry says where its state is left for others, if it is: number after number of a thread,
// those of neighbouring threads next to each other. Else come the results.

// CHECK: llvm.getelementptr %[[BLOCKS]]
// CHECK: %[[NUMBER:.*]] = llvm.load
// CHECK: %[[LEAVES:.*]] = arith.cmpi sge, %[[NUMBER]], %c0_i64
// CHECK: scf.if %[[LEAVES]] {
// CHECK: arith.muli %[[NUMBER]], %c8192_i64
// CHECK: llvm.getelementptr %[[LEFT]]
// CHECK-COUNT-8: llvm.store %{{.*}} {alignment = 8 : i64} : f64, !llvm.ptr<1>
// CHECK: } else {
// CHECK: %[[EXISTS:.*]] = arith.cmpi slt, %[[FIRST]], %[[END]]
// CHECK: arith.cmpi slt, %[[SECOND]], %[[END]]
// CHECK: scf.if %[[EXISTS]]
// CHECK: llvm.getelementptr %[[OUTBATCH]][%[[FIRST]]]
// CHECK: llvm.store
