// Affine transform (affine.rs of upg-flows): y = t e^s + m, or t = (y - m) e^-s with INVERSE; phi = (m, r).
//
// s = r, or s = CLAMP tanh(r / CLAMP). Kept: e^lambda, 0, the product of what moves and of dlambda/dr, and dlambda/dr where there is a clamp.

// s for r.
DEVICE REAL log_scale(REAL r) {
#ifdef CLAMP
    return R(CLAMP) * tanh_of(r / R(CLAMP));
#else
    return r;
#endif
}

// ds/dr for s.
DEVICE REAL log_scale_slope(REAL s) {
#ifdef CLAMP
    return fma(-(s / R(CLAMP)), s / R(CLAMP), R(1));
#else
    return R(1);
#endif
}

// t <- g(t; phi); returns lambda.
template <class Phi>
DEVICE REAL transform_value(REAL& t, Phi phi) {
#ifdef INVERSE
    REAL lambda = -log_scale(phi(1));
    t = (t - phi(0)) * exp_of(lambda);
#else
    REAL lambda = log_scale(phi(1));
    t = fma(t, exp_of(lambda), phi(0));
#endif
    return lambda;
}

// The same, and what the other verbs need.
template <class Phi>
DEVICE REAL transform_evaluate(REAL& t, Phi phi, REAL (&kept)[KEPT]) {
    REAL s = log_scale(phi(1)), slope = log_scale_slope(s);
#ifdef INVERSE
    REAL lambda = -s, scale = exp_of(lambda), moved = (t - phi(0)) * scale;
    slope = -slope;
    t = moved;
#else
    REAL lambda = s, scale = exp_of(lambda), moved = t * scale;
    t = moved + phi(0);
#endif
    kept[0] = scale;
    kept[1] = 0;
    kept[2] = moved * slope;
#ifdef CLAMP
    kept[3] = slope;
#endif
    return lambda;
}

// v_p = alpha_a dg/dphi_p + beta dlambda/dphi_p.
template <class Phi, class Out>
DEVICE void transform_vjp(REAL alpha_a, REAL beta, const REAL (&kept)[KEPT], Phi phi, Out v) {
#ifdef CLAMP
    REAL slope = kept[3];
#elif defined(INVERSE)
    REAL slope = -1;
#else
    REAL slope = 1;
#endif
#ifdef INVERSE
    v(0, -(alpha_a * kept[0]));
#else
    v(0, alpha_a);
#endif
    v(1, fma(alpha_a, kept[2], beta * slope));
}
