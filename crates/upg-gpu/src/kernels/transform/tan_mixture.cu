// The mean of MIXTURES tan transforms of an angle and a shift (tan_mixture.rs of upg-flows, which has the formulas): phi = (s_1 ... s_K, shift).

// Places of what is kept: sin and cos of half the angle, and 1/sum_k d_k.
enum { SINE = 2, COSINE, INVERSE_D, NUMBERS };
static_assert(NUMBERS == KEPT && WIDTH == MIXTURES + 1, "numbers of an element");

// 1/K.
#define SHARE R(1.0 / MIXTURES)

// sin^2, cos^2 and sin cos of half an angle.
struct Half {
    REAL sin2, cos2, sin_cos;
};

DEVICE Half half_of(REAL sine, REAL cosine) { return {sine * sine, cosine * cosine, sine * cosine}; }

// h of one transform, up = e^(s/2), down = e^(-s/2).
DEVICE REAL angle_of(Half half, REAL up, REAL down) {
    return atan_of_ratio((up - down) * half.sin_cos, fma(up, half.sin2, down * half.cos2));
}

// d of one transform, d(d)/dp and d(d)/ds.
struct Derivatives {
    REAL d, by_p, by_s;
};

DEVICE Derivatives derivatives_of(Half half, REAL up, REAL down) {
    REAL up2 = up * up, down2 = down * down, a = up2 * half.sin2, b = down2 * half.cos2, d = R(1) / (a + b);
    return {d, -(d * (d * ((up2 - down2) * half.sin_cos))), d * (d * (b - a))};
}

// t <- g(t); returns sum_k d_k and the sum of its derivatives by t.
template <class Phi>
DEVICE Derivatives g_and_sums(REAL& t, Half half, Phi phi) {
    Derivatives sum = {R(0), R(0), R(0)};
    REAL h = 0;
    for (int k = 0; k < MIXTURES; k++) {
        REAL up, down;
        exp_both_ways(phi(k) * R(0.5), up, down);
        h += angle_of(half, up, down);
        Derivatives of_k = derivatives_of(half, up, down);
        sum.d += of_k.d;
        sum.by_p += of_k.by_p;
    }
    t = fma(SHARE + SHARE, h, t) + phi(MIXTURES);
    return sum;
}

// t <- g(t); returns g'.
template <class Phi>
DEVICE REAL g_slope(REAL& t, Phi phi) {
    REAL sine, cosine;
    sin_cos_of(t * R(0.5), sine, cosine);
    return g_and_sums(t, half_of(sine, cosine), phi).d * SHARE;
}

template <class Phi>
DEVICE REAL g_value(REAL& t, Phi phi) {
    return ln_of(g_slope(t, phi));
}

template <class Phi>
DEVICE REAL g_evaluate(REAL& t, Phi phi, REAL (&kept)[KEPT]) {
    REAL sine, cosine;
    sin_cos_of(t * R(0.5), sine, cosine);
    Derivatives sum = g_and_sums(t, half_of(sine, cosine), phi);
    REAL inverse_d = R(1) / sum.d;
    kept[0] = sum.d * SHARE;
    kept[1] = sum.by_p * inverse_d;
    kept[SINE] = sine;
    kept[COSINE] = cosine;
    kept[INVERSE_D] = inverse_d;
    return ln_of(kept[0]);
}

template <class Phi, class Out>
DEVICE void g_vjp(REAL alpha_a, REAL beta, const REAL (&kept)[KEPT], Phi phi, Out v) {
    Half half = half_of(kept[SINE], kept[COSINE]);
    REAL on_g = alpha_a * (SHARE + SHARE) * half.sin_cos, on_d = beta * kept[INVERSE_D];
    for (int k = 0; k < MIXTURES; k++) {
        REAL up, down;
        exp_both_ways(phi(k) * R(0.5), up, down);
        Derivatives of_k = derivatives_of(half, up, down);
        v(k, fma(on_g, of_k.d, on_d * of_k.by_s));
    }
    v(MIXTURES, alpha_a);
}

// The solutions of the single transforms, y - shift + 2 h(y - shift; -s_k), enclose that of the mixture; it is near their mean.
template <class Phi>
DEVICE Bracket g_bracket(REAL y, Phi phi) {
    REAL shift = phi(MIXTURES), p = y - shift, terms = fabs(p) + fabs(shift) + R(3.141592653589793), sine, cosine;
    sin_cos_of(p * R(0.5), sine, cosine);
    Half half = half_of(sine, cosine);
    REAL low = R(1.5707963267948966), high = -low, sum = 0;
    for (int k = 0; k < MIXTURES; k++) {
        REAL up, down;
        exp_both_ways(phi(k) * R(0.5), up, down);
        REAL h = angle_of(half, down, up);
        low = h < low ? h : low;
        high = h > high ? h : high;
        sum += h;
    }
    REAL room = R(8) * EPSILON * terms;
    return {p + R(2) * low - room, p + R(2) * high + room, p + R(2) * SHARE * sum, terms};
}
