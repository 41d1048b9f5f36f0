//===- handwritten-avx2.cpp - The loops in AVX2 and FMA --------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The arguments of the exponential are never positive here, and so its result
// never exceeds 1: its exponent is made 64 too large by integer addition, where
// it is normal whatever the argument, and a last multiplication by 2^-64 rounds
// correctly into the denormal numbers. Only one end needs a clamp.
//
//===----------------------------------------------------------------------===//

#include "handwritten-loops.h"

#include <immintrin.h>

using namespace keops::handwritten;

namespace {

struct F32 {
  using Real = float;
  using V = __m256;
  using I = __m256i;
  using Mask = __m256;
  static constexpr int lanes = 8;
  static constexpr float largest = 0x1.fffffep+127f, unscale = 0x1p-64f;

  KEOPS_HW_INLINE V zero() { return _mm256_setzero_ps(); }
  KEOPS_HW_INLINE V set(float a) { return _mm256_set1_ps(a); }
  /// A constant that is read into a register here, once for all vectors of rows.
  /// Left alone, a compiler reads it again at each use, and the reads in flight
  /// fill the load queue.
  KEOPS_HW_INLINE V pinned(float a) {
    V constant = set(a);
    asm volatile("" : "+x"(constant));
    return constant;
  }
  KEOPS_HW_INLINE V broadcast(const float *p) { return _mm256_broadcast_ss(p); }
  KEOPS_HW_INLINE V load(const float *p) { return _mm256_load_ps(p); }
  KEOPS_HW_INLINE void store(float *p, V a) { _mm256_store_ps(p, a); }
  KEOPS_HW_INLINE V add(V a, V b) { return _mm256_add_ps(a, b); }
  KEOPS_HW_INLINE V sub(V a, V b) { return _mm256_sub_ps(a, b); }
  KEOPS_HW_INLINE V mul(V a, V b) { return _mm256_mul_ps(a, b); }
  KEOPS_HW_INLINE V div(V a, V b) { return _mm256_div_ps(a, b); }
  KEOPS_HW_INLINE V fma(V a, V b, V c) { return _mm256_fmadd_ps(a, b, c); }
  KEOPS_HW_INLINE V sqrt(V a) { return _mm256_sqrt_ps(a); }
  /// The smaller one; b where a is NaN.
  KEOPS_HW_INLINE V minSkippingNaN(V a, V b) { return _mm256_min_ps(a, b); }
  KEOPS_HW_INLINE Mask less(V a, V b) { return _mm256_cmp_ps(a, b, _CMP_LT_OQ); }
  KEOPS_HW_INLINE Mask either(Mask a, Mask b) { return _mm256_or_ps(a, b); }
  KEOPS_HW_INLINE bool any(Mask a) { return _mm256_movemask_ps(a) != 0; }
  /// a where the mask is set, else b.
  KEOPS_HW_INLINE V blend(Mask m, V a, V b) { return _mm256_blendv_ps(b, a, m); }
  KEOPS_HW_INLINE I blendIndex(Mask m, I a, I b) { return _mm256_blendv_epi8(b, a, _mm256_castps_si256(m)); }
  KEOPS_HW_INLINE I setIndex(int32_t a) { return _mm256_set1_epi32(a); }
  KEOPS_HW_INLINE void storeIndex(int32_t *p, I a) { _mm256_store_si256(reinterpret_cast<I *>(p), a); }

  /// -t = n·ln 2 + r with n = round(-t·log2 e), held in the low bits of `shifted`
  /// as n + 64.
  template <int N> struct Reduced {
    V shifted[N], r[N];
  };
  template <int N> KEOPS_HW_INLINE Reduced<N> reduce(const V (&t)[N]) {
    Reduced<N> z;
    V a[N], n[N];
    // Beyond 110 the result is 0; NaN stays, being the second operand.
    V c = pinned(110);
    KEOPS_HW_EACH(v, N) a[v] = _mm256_min_ps(c, t[v]);
    V magic = pinned(0x1.8p23f + 64);
    c = pinned(0x1.715476p+0f);
    KEOPS_HW_EACH(v, N) z.shifted[v] = _mm256_fnmadd_ps(a[v], c, magic);
    KEOPS_HW_EACH(v, N) n[v] = sub(z.shifted[v], magic);
    c = pinned(-0x1.62e43p-1f);
    KEOPS_HW_EACH(v, N) z.r[v] = _mm256_fmsub_ps(n[v], c, a[v]);
    c = pinned(0x1.05c61p-29f);
    KEOPS_HW_EACH(v, N) z.r[v] = fma(n[v], c, z.r[v]);
    return z;
  }

  /// e = exp(-t)·2^64.
  template <int N> KEOPS_HW_INLINE void expNegativeScaled(const Reduced<N> &z, V (&e)[N]) {
    V p[N], c = pinned(expCoefficientsF32[0]), next = pinned(expCoefficientsF32[1]);
    KEOPS_HW_EACH(v, N) p[v] = fma(c, z.r[v], next);
    c = pinned(expCoefficientsF32[2]);
    KEOPS_HW_EACH(v, N) p[v] = fma(p[v], z.r[v], c);
    c = pinned(expCoefficientsF32[3]);
    KEOPS_HW_EACH(v, N) p[v] = fma(p[v], z.r[v], c);
    c = pinned(expCoefficientsF32[4]);
    KEOPS_HW_EACH(v, N) p[v] = fma(p[v], z.r[v], c);
    c = pinned(1);
    KEOPS_HW_EACH(v, N) p[v] = fma(p[v], z.r[v], c);
    KEOPS_HW_EACH(v, N) {
      __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(z.shifted[v]), 23);
      e[v] = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p[v]), exponent));
    }
  }

  template <int N> KEOPS_HW_INLINE void expNegative(const Reduced<N> &z, V (&e)[N]) {
    expNegativeScaled(z, e);
    V c = pinned(unscale);
    KEOPS_HW_EACH(v, N) e[v] = mul(e[v], c);
  }
};

struct F64 {
  using Real = double;
  using V = __m256d;
  static constexpr int lanes = 4;

  KEOPS_HW_INLINE V zero() { return _mm256_setzero_pd(); }
  KEOPS_HW_INLINE V set(double a) { return _mm256_set1_pd(a); }
  KEOPS_HW_INLINE V pinned(double a) {
    V constant = set(a);
    asm volatile("" : "+x"(constant));
    return constant;
  }
  KEOPS_HW_INLINE V broadcast(const double *p) { return _mm256_broadcast_sd(p); }
  KEOPS_HW_INLINE V load(const double *p) { return _mm256_load_pd(p); }
  KEOPS_HW_INLINE void store(double *p, V a) { _mm256_store_pd(p, a); }
  KEOPS_HW_INLINE V add(V a, V b) { return _mm256_add_pd(a, b); }
  KEOPS_HW_INLINE V sub(V a, V b) { return _mm256_sub_pd(a, b); }
  KEOPS_HW_INLINE V mul(V a, V b) { return _mm256_mul_pd(a, b); }
  KEOPS_HW_INLINE V fma(V a, V b, V c) { return _mm256_fmadd_pd(a, b, c); }

  /// As in single precision.
  template <int N> struct Reduced {
    V shifted[N], r[N];
  };
  template <int N> KEOPS_HW_INLINE Reduced<N> reduce(const V (&t)[N]) {
    Reduced<N> z;
    V a[N], n[N];
    V c = pinned(750);
    KEOPS_HW_EACH(v, N) a[v] = _mm256_min_pd(c, t[v]);
    V magic = pinned(0x1.8p52 + 64);
    c = pinned(0x1.71547652b82fep+0);
    KEOPS_HW_EACH(v, N) z.shifted[v] = _mm256_fnmadd_pd(a[v], c, magic);
    KEOPS_HW_EACH(v, N) n[v] = sub(z.shifted[v], magic);
    c = pinned(-0x1.62e42fefa39efp-1);
    KEOPS_HW_EACH(v, N) z.r[v] = _mm256_fmsub_pd(n[v], c, a[v]);
    c = pinned(-0x1.abc9e3b39803fp-56);
    KEOPS_HW_EACH(v, N) z.r[v] = fma(n[v], c, z.r[v]);
    return z;
  }

  template <int N> KEOPS_HW_INLINE void expNegative(const Reduced<N> &z, V (&e)[N]) {
    V p[N], c = pinned(expCoefficientsF64[0]), next = pinned(expCoefficientsF64[1]);
    KEOPS_HW_EACH(v, N) p[v] = fma(c, z.r[v], next);
    KEOPS_HW_EACH(k, numExpCoefficientsF64 - 2) {
      c = pinned(expCoefficientsF64[k + 2]);
      KEOPS_HW_EACH(v, N) p[v] = fma(p[v], z.r[v], c);
    }
    KEOPS_HW_EACH(v, N) {
      __m256i exponent = _mm256_slli_epi64(_mm256_castpd_si256(z.shifted[v]), 52);
      e[v] = _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(p[v]), exponent));
    }
    c = pinned(0x1p-64);
    KEOPS_HW_EACH(v, N) e[v] = mul(e[v], c);
  }
};

} // namespace

const Loops keops::handwritten::avx2Loops = makeLoops<F32, F64>();
