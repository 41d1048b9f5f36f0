//===- handwritten.cpp - Entry points of the hand-written loops ------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Chooses between the instruction sets at run time. This file is compiled for
// the plain processor; the loops are in files of their own, each compiled for
// its instruction set, so that no wide instruction runs where there is none.
//
//===----------------------------------------------------------------------===//

#include "handwritten.h"

using namespace keops::handwritten;

static bool runsAvx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static bool runsAvx512() {
  return runsAvx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}

/// The loops of `isa`, or null if this processor cannot run them.
static const Loops *findLoops(int isa) {
  if (isa == 512 && runsAvx512())
    return &avx512Loops;
  if (isa == 256 && runsAvx2())
    return &avx2Loops;
  return nullptr;
}

template <typename T, typename R>
static int dispatch(int isa, void (*Loops::*loop)(const Call<T, R> &), const Call<T, R> &call) {
  const Loops *loops = findLoops(isa);
  if (!loops)
    return KeopsHwNoSuchIsa;
  // Column numbers are 32-bit inside the loops.
  bool rowsFit = 0 <= call.rowBegin && call.rowBegin <= call.rowEnd;
  bool columnsFit = 0 <= call.columns && INT32_MAX >= call.columns;
  if (!rowsFit || !columnsFit)
    return KeopsHwBadSize;
  (loops->*loop)(call);
  return KeopsHwOk;
}

int keops_hw_isa() {
  if (runsAvx512())
    return 512;
  return runsAvx2() ? 256 : 0;
}

int keops_hw_gaussian_f32(int isa, const float *x, const float *y, const float *b, float *out, int64_t rowBegin,
                          int64_t rowEnd, int64_t columns) {
  return dispatch<float, float>(isa, &Loops::gaussianF32, {x, y, b, out, rowBegin, rowEnd, columns});
}

int keops_hw_gaussian_f64(int isa, const double *x, const double *y, const double *b, double *out, int64_t rowBegin,
                          int64_t rowEnd, int64_t columns) {
  return dispatch<double, double>(isa, &Loops::gaussianF64, {x, y, b, out, rowBegin, rowEnd, columns});
}

int keops_hw_gaussian_gradient_f32(int isa, const float *x, const float *y, const float *b, float *out,
                                   int64_t rowBegin, int64_t rowEnd, int64_t columns) {
  return dispatch<float, float>(isa, &Loops::gaussianGradientF32, {x, y, b, out, rowBegin, rowEnd, columns});
}

int keops_hw_logsumexp_f32(int isa, const float *x, const float *y, float *out, int64_t rowBegin, int64_t rowEnd,
                           int64_t columns) {
  return dispatch<float, float>(isa, &Loops::logSumExpF32, {x, y, nullptr, out, rowBegin, rowEnd, columns});
}

int keops_hw_laplacian_f32(int isa, const float *x, const float *y, const float *b, float *out, int64_t rowBegin,
                           int64_t rowEnd, int64_t columns) {
  return dispatch<float, float>(isa, &Loops::laplacianF32, {x, y, b, out, rowBegin, rowEnd, columns});
}

int keops_hw_cauchy_f32(int isa, const float *x, const float *y, const float *b, float *out, int64_t rowBegin,
                        int64_t rowEnd, int64_t columns) {
  return dispatch<float, float>(isa, &Loops::cauchyF32, {x, y, b, out, rowBegin, rowEnd, columns});
}

int keops_hw_argkmin_f32(int isa, const float *x, const float *y, int64_t *out, int64_t rowBegin, int64_t rowEnd,
                         int64_t columns) {
  return dispatch<float, int64_t>(isa, &Loops::argKMinF32, {x, y, nullptr, out, rowBegin, rowEnd, columns});
}

int keops_hw_exp_negative_f32(int isa, const float *in, float *out, int64_t count) {
  const Loops *loops = findLoops(isa);
  if (!loops)
    return KeopsHwNoSuchIsa;
  if (count < 0)
    return KeopsHwBadSize;
  loops->expNegativeF32(in, out, count);
  return KeopsHwOk;
}

int keops_hw_exp_negative_f64(int isa, const double *in, double *out, int64_t count) {
  const Loops *loops = findLoops(isa);
  if (!loops)
    return KeopsHwNoSuchIsa;
  if (count < 0)
    return KeopsHwBadSize;
  loops->expNegativeF64(in, out, count);
  return KeopsHwOk;
}
