// Elementary functions as the host computes them (vmath.rs and real.rs of upg-core): the same steps, the same numbers, each multiply-add fused. The
// numbers come as macros, e.g. SIN_COEFFICIENTS.

// sum_k c_k x^k by Horner's scheme.
template <int N>
DEVICE REAL polynomial(const REAL (&c)[N], REAL x) {
    REAL sum = c[N - 1];
#pragma unroll
    for (int k = N - 2; k >= 0; k--) sum = fma(sum, x, c[k]);
    return sum;
}

DEVICE REAL clamped(REAL x, REAL low, REAL high) {
    x = x < low ? low : x;
    return x > high ? high : x;
}

#ifdef REAL_IS_DOUBLE
typedef long long BITS;
typedef unsigned long long UBITS;
#define MANTISSA 52
#define BIAS 1023
#else
typedef int BITS;
typedef unsigned int UBITS;
#define MANTISSA 23
#define BIAS 127
#endif

DEVICE REAL real_of(UBITS bits) { return from_bits((BITS)bits); }

// |magnitude| with the sign bit of `of`.
DEVICE REAL with_sign(REAL magnitude, REAL of) {
    UBITS sign = (UBITS)1 << (8 * sizeof(REAL) - 1);
    return real_of(((UBITS)bits_of(magnitude) & ~sign) | ((UBITS)bits_of(of) & sign));
}

// 2^n for rounded = n + ROUNDER.
DEVICE REAL pow2_of_rounded(REAL rounded) { return real_of(((UBITS)bits_of(rounded) + BIAS) << MANTISSA); }

// x = n ln 2 + r with |r| <= ln 2 / 2; n + ROUNDER and r.
DEVICE void split_off_ln_2(REAL x, REAL& rounded, REAL& r) {
    rounded = fma(x, R(1.4426950408889634), R(ROUNDER));
    REAL n = rounded - R(ROUNDER);
    r = fma(n, -R(LN2_LO), fma(n, -R(LN2_HI), x));
}

// x = n ln 2 + r; n + ROUNDER and e^r - 1.
DEVICE void reduced(REAL x, REAL& rounded, REAL& em1) {
    const REAL c[] = {INVERSE_FACTORIALS};
    REAL r;
    split_off_ln_2(x, rounded, r);
    em1 = fma(polynomial(c, r) * r, r, r);
}

// e^x.
DEVICE REAL exp_of(REAL x) {
    REAL rounded, em1;
    reduced(clamped(x, R(EXP_MIN), R(EXP_MAX)), rounded, em1);
    REAL half = pow2_of_rounded(rounded - R(1));
    REAL value = fma(em1, half, half) * R(2);
    value = x < R(EXP_MIN) ? R(0) : value;
    return x > R(EXP_MAX) ? real_of((UBITS)(2 * BIAS + 1) << MANTISSA) : value;
}

// e^x for x <= 0 as a part of something of the size 1 or larger.
DEVICE REAL exp_beside_one(REAL x) {
    const REAL c[] = {EXP2};
    REAL z = R(1.4426950408889634) * (x < R(EXP_MIN) ? R(EXP_MIN) : x);
    REAL rounder = R(ROUNDER) + R(BIAS), rounded = z + rounder;
    REAL f = z - (rounded - rounder);
    return fma(polynomial(c, f), f, R(1)) * real_of((UBITS)bits_of(rounded) << MANTISSA);
}

// e^x and e^-x, clamped where one of them would overflow or be flushed to zero.
DEVICE void exp_both_ways(REAL x, REAL& up, REAL& down) {
    const REAL c[] = {INVERSE_FACTORIALS};
    REAL rounded, r;
    split_off_ln_2(clamped(x, R(EXP_MIN), -R(EXP_MIN)), rounded, r);
    REAL r2 = r * r, even = 0, odd = 0;
#pragma unroll
    for (int k = sizeof(c) / sizeof(REAL) / 2 - 1; k >= 0; k--) {
        even = fma(even, r2, c[2 * k]);
        odd = fma(odd, r2, c[2 * k + 1]);
    }
    even *= r2;
    odd = fma(odd * r2, r, r);
    REAL upwards = pow2_of_rounded(rounded), downwards = pow2_of_rounded(R(ROUNDER) - (rounded - R(ROUNDER)));
    up = fma(even + odd, upwards, upwards);
    down = fma(even - odd, downwards, downwards);
}

// tanh x.
DEVICE REAL tanh_of(REAL x) {
    REAL rounded, em1;
    reduced(clamped(fabs(x), R(0), R(TANH_MAX)) * R(2), rounded, em1);
    REAL two_n = pow2_of_rounded(rounded);
    em1 = fma(em1, two_n, two_n - R(1)); // e^(2|x|) - 1
    return with_sign(em1 / (em1 + R(2)), x);
}

// 1 / (1 + e^-x).
DEVICE REAL sigmoid_of(REAL x) {
    REAL e = exp_of(-fabs(x));
    REAL beyond = e / (R(1) + e);
    return x < R(0) ? beyond : R(1) / (R(1) + e);
}

// The representative of an angle in [0, 2 pi).
DEVICE REAL wrap_angle(REAL angle) {
    REAL tau = R(6.283185307179586);
    REAL wrapped = fma(-floor(angle * R(0.15915494309189535)), tau, angle);
    wrapped = wrapped < R(0) ? wrapped + tau : wrapped;
    return wrapped >= tau ? R(0) : wrapped;
}

// log(1 + u) for u in [0, 1].
DEVICE REAL ln_1p_unit(REAL u) {
    const REAL c[] = {ATANH};
    REAL s = u / (u + R(2)), s2 = s * s, twice = s + s;
    return fma(twice * s2, polynomial(c, s2), twice);
}

// log(1 + u) for u in [0, 1], without a division.
DEVICE REAL ln_1p_polynomial(REAL u) {
    const REAL c[] = {LN_1P};
    return polynomial(c, u) * u;
}

// n ln 2 + log(1 + f) for sqrt(1/2) <= 1 + f < sqrt(2).
DEVICE REAL ln_of_parts(REAL n, REAL f) {
    const REAL c[] = {LN};
    REAL s = f / (f + R(2)), s2 = s * s;
    REAL rest = fma(-s2, polynomial(c, s2), f);
    return fma(n, R(LN2_HI), f + fma(-s, rest, n * R(LN2_LO)));
}

// x = 2^n m with sqrt(1/2) <= m < sqrt(2) for a positive normal x.
DEVICE void split_of(REAL x, REAL& n, REAL& m) {
    UBITS bits = (UBITS)bits_of(x);
    UBITS biased = (bits + (((UBITS)BIAS << MANTISSA) - (UBITS)bits_of(R(0.7071067811865476)))) >> MANTISSA;
    n = real_of((UBITS)bits_of(R(ROUNDER)) + biased) - (R(ROUNDER) + R(BIAS));
    m = real_of(bits - ((biased - BIAS) << MANTISSA));
}

// log x; -infinity for zero and denormal numbers, NaN for negative ones.
DEVICE REAL ln_of(REAL x) {
    REAL n, m, infinity = real_of((UBITS)(2 * BIAS + 1) << MANTISSA);
    split_of(x, n, m);
    REAL value = ln_of_parts(n, m - R(1));
    value = x < real_of((UBITS)1 << MANTISSA) ? -infinity : value;
    value = x == infinity ? x : value;
    return x >= R(0) ? value : infinity - infinity;
}

// (sin, cos) of n pi/2 + r for |r| <= pi/4, and the bits of n.
DEVICE void sin_cos_turned(UBITS n, REAL r, REAL& s, REAL& c) {
    const REAL of_sin[] = {SIN}, of_cos[] = {COS};
    REAL r2 = r * r;
    REAL sine = fma(r * r2, polynomial(of_sin, r2), r), cosine = fma(r2, polynomial(of_cos, r2), R(1));
    REAL first = n & 1 ? cosine : sine, second = n & 1 ? sine : cosine;
    const int to_sign = 8 * (int)sizeof(REAL) - 2;
    s = real_of((UBITS)bits_of(first) ^ ((n & 2) << to_sign));
    c = real_of((UBITS)bits_of(second) ^ (((n + 1) & 2) << to_sign));
}

// (sin x, cos x) for |x| <= 100.
DEVICE void sin_cos_of(REAL x, REAL& s, REAL& c) {
    const REAL half_pi[] = {HALF_PI};
    REAL rounded = fma(x, R(0.6366197723675814), R(ROUNDER));
    REAL n = rounded - R(ROUNDER);
    REAL r = fma(n, -half_pi[2], fma(n, -half_pi[1], fma(n, -half_pi[0], x)));
    sin_cos_turned((UBITS)bits_of(rounded), r, s, c);
}

// atan(y/x) for x >= 0, not both zero.
DEVICE REAL atan_of_ratio(REAL y, REAL x) {
    const REAL c[] = {ATAN};
    REAL a = fabs(y), tan_pi_8 = R(0.41421356237309515);
    bool flat = a <= tan_pi_8 * x, steep = x < tan_pi_8 * a;
    REAL top = flat ? a : steep ? -x : a - x, bottom = flat ? x : steep ? a : a + x;
    REAL base = flat ? R(0) : steep ? R(1.5707963267948966) : R(0.7853981633974483);
    REAL z = top / bottom, z2 = z * z;
    return with_sign(base + fma(z * z2, polynomial(c, z2), z), y);
}

// log(1 + e^x).
DEVICE REAL softplus_of(REAL x) { return (x < R(0) ? R(0) : x) + ln_1p_unit(exp_of(-fabs(x))); }

// log cosh x.
DEVICE REAL ln_cosh_of(REAL x) {
    REAL a = fabs(x);
    return a + ln_1p_unit(exp_of(-(a + a))) - R(0.6931471805599453);
}
