//===- handwritten-avx512.cpp - The loops in AVX-512 -----------------------===//
//
// Part of the Keops project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The exponential ends in one instruction that multiplies by a power of two and
// rounds correctly into the denormal numbers. The 32 registers hold the constants
// and the rows, and broadcasts from memory are operands of the arithmetic.
//
//===----------------------------------------------------------------------===//

#include "handwritten-loops.h"

#include <immintrin.h>

using namespace keops::handwritten;

namespace {

struct F32 {
  using Real = float;
  using V = __m512;
  using I = __m512i;
  using Mask = __mmask16;
  static constexpr int lanes = 16;
  static constexpr float largest = 0x1.fffffep+127f, unscale = 1;

  KEOPS_HW_INLINE V zero() { return _mm512_setzero_ps(); }
  KEOPS_HW_INLINE V set(float a) { return _mm512_set1_ps(a); }
  KEOPS_HW_INLINE V broadcast(const float *p) { return _mm512_set1_ps(*p); }
  KEOPS_HW_INLINE V load(const float *p) { return _mm512_load_ps(p); }
  KEOPS_HW_INLINE void store(float *p, V a) { _mm512_store_ps(p, a); }
  KEOPS_HW_INLINE V add(V a, V b) { return _mm512_add_ps(a, b); }
  KEOPS_HW_INLINE V sub(V a, V b) { return _mm512_sub_ps(a, b); }
  KEOPS_HW_INLINE V mul(V a, V b) { return _mm512_mul_ps(a, b); }
  KEOPS_HW_INLINE V div(V a, V b) { return _mm512_div_ps(a, b); }
  KEOPS_HW_INLINE V fma(V a, V b, V c) { return _mm512_fmadd_ps(a, b, c); }
  KEOPS_HW_INLINE V sqrt(V a) { return _mm512_sqrt_ps(a); }
  /// The smaller one; b where a is NaN.
  KEOPS_HW_INLINE V minSkippingNaN(V a, V b) { return _mm512_min_ps(a, b); }
  KEOPS_HW_INLINE Mask less(V a, V b) { return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ); }
  KEOPS_HW_INLINE Mask either(Mask a, Mask b) { return static_cast<Mask>(a | b); }
  KEOPS_HW_INLINE bool any(Mask a) { return a != 0; }
  /// a where the mask is set, else b.
  KEOPS_HW_INLINE V blend(Mask m, V a, V b) { return _mm512_mask_blend_ps(m, b, a); }
  KEOPS_HW_INLINE I blendIndex(Mask m, I a, I b) { return _mm512_mask_blend_epi32(m, b, a); }
  KEOPS_HW_INLINE I setIndex(int32_t a) { return _mm512_set1_epi32(a); }
  KEOPS_HW_INLINE void storeIndex(int32_t *p, I a) { _mm512_store_si512(p, a); }

  /// -t = n·ln 2 + r with n = round(-t·log2 e).
  template <int N> struct Reduced {
    V n[N], r[N];
  };
  template <int N> KEOPS_HW_INLINE Reduced<N> reduce(const V (&t)[N]) {
    Reduced<N> z;
    V a[N], magic = set(0x1.8p23f);
    // Beyond 110 the result is 0; NaN stays, being the second operand.
    KEOPS_HW_EACH(v, N) a[v] = _mm512_min_ps(set(110), t[v]);
    KEOPS_HW_EACH(v, N) z.n[v] = _mm512_fnmadd_ps(a[v], set(0x1.715476p+0f), magic);
    KEOPS_HW_EACH(v, N) z.n[v] = sub(z.n[v], magic);
    KEOPS_HW_EACH(v, N) z.r[v] = _mm512_fmsub_ps(z.n[v], set(-0x1.62e43p-1f), a[v]);
    KEOPS_HW_EACH(v, N) z.r[v] = fma(z.n[v], set(0x1.05c61p-29f), z.r[v]);
    return z;
  }

  template <int N> KEOPS_HW_INLINE void expNegative(const Reduced<N> &z, V (&e)[N]) {
    V p[N];
    KEOPS_HW_EACH(v, N) p[v] = fma(set(expCoefficientsF32[0]), z.r[v], set(expCoefficientsF32[1]));
    KEOPS_HW_EACH(v, N) p[v] = fma(p[v], z.r[v], set(expCoefficientsF32[2]));
    KEOPS_HW_EACH(v, N) p[v] = fma(p[v], z.r[v], set(expCoefficientsF32[3]));
    KEOPS_HW_EACH(v, N) p[v] = fma(p[v], z.r[v], set(expCoefficientsF32[4]));
    KEOPS_HW_EACH(v, N) p[v] = fma(p[v], z.r[v], set(1));
    KEOPS_HW_EACH(v, N) e[v] = _mm512_scalef_ps(p[v], z.n[v]);
  }

  /// e = exp(-t) / unscale.
  template <int N> KEOPS_HW_INLINE void expNegativeScaled(const Reduced<N> &z, V (&e)[N]) { expNegative(z, e); }
};

struct F64 {
  using Real = double;
  using V = __m512d;
  static constexpr int lanes = 8;

  KEOPS_HW_INLINE V zero() { return _mm512_setzero_pd(); }
  KEOPS_HW_INLINE V set(double a) { return _mm512_set1_pd(a); }
  KEOPS_HW_INLINE V broadcast(const double *p) { return _mm512_set1_pd(*p); }
  KEOPS_HW_INLINE V load(const double *p) { return _mm512_load_pd(p); }
  KEOPS_HW_INLINE void store(double *p, V a) { _mm512_store_pd(p, a); }
  KEOPS_HW_INLINE V add(V a, V b) { return _mm512_add_pd(a, b); }
  KEOPS_HW_INLINE V sub(V a, V b) { return _mm512_sub_pd(a, b); }
  KEOPS_HW_INLINE V mul(V a, V b) { return _mm512_mul_pd(a, b); }
  KEOPS_HW_INLINE V fma(V a, V b, V c) { return _mm512_fmadd_pd(a, b, c); }

  /// As in single precision.
  template <int N> struct Reduced {
    V n[N], r[N];
  };
  template <int N> KEOPS_HW_INLINE Reduced<N> reduce(const V (&t)[N]) {
    Reduced<N> z;
    V a[N], magic = set(0x1.8p52);
    KEOPS_HW_EACH(v, N) a[v] = _mm512_min_pd(set(750), t[v]);
    KEOPS_HW_EACH(v, N) z.n[v] = _mm512_fnmadd_pd(a[v], set(0x1.71547652b82fep+0), magic);
    KEOPS_HW_EACH(v, N) z.n[v] = sub(z.n[v], magic);
    KEOPS_HW_EACH(v, N) z.r[v] = _mm512_fmsub_pd(z.n[v], set(-0x1.62e42fefa39efp-1), a[v]);
    KEOPS_HW_EACH(v, N) z.r[v] = fma(z.n[v], set(-0x1.abc9e3b39803fp-56), z.r[v]);
    return z;
  }

  template <int N> KEOPS_HW_INLINE void expNegative(const Reduced<N> &z, V (&e)[N]) {
    V p[N];
    KEOPS_HW_EACH(v, N) p[v] = fma(set(expCoefficientsF64[0]), z.r[v], set(expCoefficientsF64[1]));
    KEOPS_HW_EACH(k, numExpCoefficientsF64 - 2) {
      KEOPS_HW_EACH(v, N) p[v] = fma(p[v], z.r[v], set(expCoefficientsF64[k + 2]));
    }
    KEOPS_HW_EACH(v, N) e[v] = _mm512_scalef_pd(p[v], z.n[v]);
  }
};

} // namespace

const Loops keops::handwritten::avx512Loops = makeLoops<F32, F64>();
