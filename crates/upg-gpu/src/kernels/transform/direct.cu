// The transform is g.

template <class Phi>
DEVICE REAL transform_value(REAL& t, Phi phi) {
    return g_value(t, phi);
}

template <class Phi>
DEVICE REAL transform_evaluate(REAL& t, Phi phi, REAL (&kept)[KEPT]) {
    return g_evaluate(t, phi, kept);
}

template <class Phi, class Out>
DEVICE void transform_vjp(REAL alpha_a, REAL beta, const REAL (&kept)[KEPT], Phi phi, Out v) {
    g_vjp(alpha_a, beta, kept, phi, v);
}
