// RUN: keops-opt %s --keops-approximate-math | FileCheck %s --implicit-check-not=math.

// Inside a gpu.module functions are instructions where there is one, and arithmetic elsewhere.

gpu.module @kernels {
  // CHECK-LABEL: gpu.func @exp_f32
  // CHECK: %[[FACTOR:.*]] = arith.constant dense<1.442695{{.*}}> : vector<8xf32>
  // CHECK: %[[SCALED:.*]] = arith.mulf %{{.*}}, %[[FACTOR]]
  // CHECK: llvm.intr.exp2(%[[SCALED]]) {fastmathFlags = #llvm.fastmath<afn>} : (vector<8xf32>) -> vector<8xf32>
  gpu.func @exp_f32(%x: vector<8xf32>, %out: !llvm.ptr<1>) {
    %0 = math.exp %x : vector<8xf32>
    llvm.store %0, %out : vector<8xf32>, !llvm.ptr<1>
    gpu.return
  }

  // CHECK-LABEL: gpu.func @log_f32
  // CHECK: %[[LOG2:.*]] = llvm.intr.log2(%{{.*}}) {fastmathFlags = #llvm.fastmath<afn>} : (f32) -> f32
  // CHECK: %[[FACTOR:.*]] = arith.constant 0.693147{{.*}} : f32
  // CHECK: arith.mulf %[[LOG2]], %[[FACTOR]]
  gpu.func @log_f32(%x: f32, %out: !llvm.ptr<1>) {
    %0 = math.log %x : f32
    llvm.store %0, %out : f32, !llvm.ptr<1>
    gpu.return
  }

  // No branch, and nothing of the C library.
  // CHECK-LABEL: gpu.func @sin_f32
  // CHECK: %[[INSIDE:.*]] = arith.bitcast %{{.*}} : i32 to f32
  // CHECK: %[[OUTSIDE:.*]] = llvm.intr.sin(%[[X:.*]]) {fastmathFlags = #llvm.fastmath<afn>} : (f32) -> f32
  // CHECK: %[[SIZE:.*]] = llvm.intr.fabs(%[[X]])
  // CHECK: %[[RANGE:.*]] = arith.constant 1.310720e+05 : f32
  // CHECK: %[[NEAR:.*]] = arith.cmpf olt, %[[SIZE]], %[[RANGE]]
  // CHECK: arith.select %[[NEAR]], %[[INSIDE]], %[[OUTSIDE]]
  gpu.func @sin_f32(%x: f32, %out: !llvm.ptr<1>) {
    %0 = math.sin %x : f32
    llvm.store %0, %out : f32, !llvm.ptr<1>
    gpu.return
  }

  // CHECK-LABEL: gpu.func @exp_f64
  // CHECK: llvm.intr.fma
  gpu.func @exp_f64(%x: f64, %out: !llvm.ptr<1>) {
    %0 = math.exp %x : f64
    llvm.store %0, %out : f64, !llvm.ptr<1>
    gpu.return
  }

  // The approximate root is for f32 only.
  // CHECK-LABEL: gpu.func @sqrt
  // CHECK: llvm.intr.sqrt(%{{.*}}) {fastmathFlags = #llvm.fastmath<afn>} : (f32) -> f32
  // CHECK: llvm.intr.sqrt(%{{.*}}) : (f64) -> f64
  gpu.func @sqrt(%x: f32, %y: f64, %out: !llvm.ptr<1>) {
    %0 = math.sqrt %x : f32
    %1 = math.sqrt %y : f64
    llvm.store %0, %out : f32, !llvm.ptr<1>
    llvm.store %1, %out : f64, !llvm.ptr<1>
    gpu.return
  }

  // CHECK-LABEL: gpu.func @single_instructions
  // CHECK: llvm.intr.fabs
  // CHECK: llvm.intr.floor
  // CHECK: llvm.intr.fma
  gpu.func @single_instructions(%x: f32, %out: !llvm.ptr<1>) {
    %0 = math.absf %x : f32
    %1 = math.floor %0 : f32
    %2 = math.fma %0, %1, %x : f32
    llvm.store %2, %out : f32, !llvm.ptr<1>
    gpu.return
  }
}
