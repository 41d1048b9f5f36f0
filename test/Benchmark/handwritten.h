//===- handwritten.h - The yardstick: reductions written by hand -----------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What a person who knows the processor writes for one fixed formula, so that
// generated code has something to be measured against. The entry points are C,
// in one shared library, so that a benchmark can time them beside other
// programs in one process.
//
// All arrays are row-major and contiguous: x is rows × D, y is columns × D, b
// is columns × 1. A call runs on the calling thread and fills rows
// [rowBegin, rowEnd) of `out`, so that a caller may share rows between threads.
//
//===----------------------------------------------------------------------===//

#ifndef KEOPS_TEST_BENCHMARK_HANDWRITTEN_H
#define KEOPS_TEST_BENCHMARK_HANDWRITTEN_H

#include <cstdint>

#define KEOPS_HW_API extern "C" __attribute__((visibility("default")))

namespace keops::handwritten {

/// The arguments of a reduction in element type T with results of type R. A
/// formula without b ignores it.
template <typename T, typename R>
struct Call {
  const T *x;
  const T *y;
  const T *b;
  R *out;
  int64_t rowBegin;
  int64_t rowEnd;
  int64_t columns;
};

/// Neighbours that the nearest-neighbour loop keeps.
constexpr int numNeighbours = 10;

/// One instruction set's loops. `expNegative` computes out[k] = exp(-in[k]) for
/// in[k] ≥ 0 with the exponential that the loops use, so that its accuracy can
/// be checked alone.
struct Loops {
  void (*gaussianF32)(const Call<float, float> &);
  void (*gaussianF64)(const Call<double, double> &);
  void (*gaussianGradientF32)(const Call<float, float> &);
  void (*logSumExpF32)(const Call<float, float> &);
  void (*laplacianF32)(const Call<float, float> &);
  void (*cauchyF32)(const Call<float, float> &);
  void (*argKMinF32)(const Call<float, int64_t> &);
  void (*expNegativeF32)(const float *in, float *out, int64_t count);
  void (*expNegativeF64)(const double *in, double *out, int64_t count);
};
extern const Loops avx2Loops, avx512Loops;

} // namespace keops::handwritten

/// What an entry point returns.
enum KeopsHwStatus {
  KeopsHwOk = 0,
  KeopsHwNoSuchIsa = 1, ///< this processor cannot run `isa`
  KeopsHwBadSize = 2,   ///< a negative size, or columns beyond 2^31 - 1
};

/// Widest instruction set that this processor runs: 512, 256 (AVX2 and FMA), or
/// 0 when there is none. Every entry point takes one of the first two as `isa`.
KEOPS_HW_API int keops_hw_isa();

/// Σ_j exp(-|x_i - y_j|²) b_j, D = 3.
KEOPS_HW_API int keops_hw_gaussian_f32(int isa, const float *x, const float *y, const float *b, float *out,
                                       int64_t rowBegin, int64_t rowEnd, int64_t columns);
KEOPS_HW_API int keops_hw_gaussian_f64(int isa, const double *x, const double *y, const double *b, double *out,
                                       int64_t rowBegin, int64_t rowEnd, int64_t columns);
/// The same, and its gradient in x_i; `out` is rows × 4, the value first.
KEOPS_HW_API int keops_hw_gaussian_gradient_f32(int isa, const float *x, const float *y, const float *b, float *out,
                                                int64_t rowBegin, int64_t rowEnd, int64_t columns);
/// log Σ_j exp(-|x_i - y_j|²), D = 3.
KEOPS_HW_API int keops_hw_logsumexp_f32(int isa, const float *x, const float *y, float *out, int64_t rowBegin,
                                        int64_t rowEnd, int64_t columns);
/// Σ_j exp(-|x_i - y_j|) b_j, D = 10.
KEOPS_HW_API int keops_hw_laplacian_f32(int isa, const float *x, const float *y, const float *b, float *out,
                                        int64_t rowBegin, int64_t rowEnd, int64_t columns);
/// Σ_j b_j / (1 + |x_i - y_j|²), D = 10.
KEOPS_HW_API int keops_hw_cauchy_f32(int isa, const float *x, const float *y, const float *b, float *out,
                                     int64_t rowBegin, int64_t rowEnd, int64_t columns);
/// Columns of the ten smallest |x_i - y_j|², nearest first, the lower column
/// first among equals, D = 10; `out` is rows × 10. Ranks beyond the number of
/// columns get 0.
KEOPS_HW_API int keops_hw_argkmin_f32(int isa, const float *x, const float *y, int64_t *out, int64_t rowBegin,
                                      int64_t rowEnd, int64_t columns);
/// out[k] = exp(-in[k]) for in[k] ≥ 0 or NaN.
KEOPS_HW_API int keops_hw_exp_negative_f32(int isa, const float *in, float *out, int64_t count);
KEOPS_HW_API int keops_hw_exp_negative_f64(int isa, const double *in, double *out, int64_t count);

#endif // KEOPS_TEST_BENCHMARK_HANDWRITTEN_H
