// The mixture of MIXTURES logistic distributions on the line (logistic_mixture.rs of upg-flows, which has the formulas): phi = (a, b, logits l_k,
// centres mu_k, log-spreads s_k). Each component is computed in every pass over phi again: no array of components.

// Places of what is kept: x, max A, 1/sum e^(A - max A), P, the same of B, Q, and e^a u.
enum { ARGUMENT = 2, MOST_A, INVERSE_A, SLOPE_P, MOST_B, INVERSE_B, SLOPE_Q, SCALED, NUMBERS };
static_assert(NUMBERS == KEPT && WIDTH == 2 + 3 * MIXTURES, "numbers of an element");

// A component at x: A, B, z, e^-s, sigma(z) and sigma(-z).
struct Component {
    REAL a, b, z, e, sigma, sigma_bar;
};

// Over the components: max A, 1/sum e^(A - max A) and P = d log F/dx, the same of B with Q = -d log(1 - F)/dx, and u = logit F.
struct Sums {
    REAL most_a, inverse_a, p, most_b, inverse_b, q, u;
};

template <class Phi>
DEVICE Component component_of(int k, REAL x, Phi phi) {
    REAL l = phi(2 + k), e = exp_of(-phi(2 + 2 * MIXTURES + k)), z = (x - phi(2 + MIXTURES + k)) * e;
    REAL exp_minus_abs_z = exp_of(-fabs(z)), larger = R(1) / (R(1) + exp_minus_abs_z), smaller = exp_minus_abs_z * larger;
    REAL ln_larger = -ln_1p_unit(exp_minus_abs_z);
    bool negative = z < R(0);
    return {l + (ln_larger + (negative ? z : R(0))), l + (ln_larger - (negative ? R(0) : z)), z, e,
            negative ? smaller : larger, negative ? larger : smaller};
}

template <class Phi>
DEVICE Sums sums_of(REAL x, Phi phi) {
    Component first = component_of(0, x, phi);
    REAL most_a = first.a, most_b = first.b, sum_a = 0, sum_b = 0, p = 0, q = 0;
    for (int k = 1; k < MIXTURES; k++) {
        Component of_k = component_of(k, x, phi);
        most_a = of_k.a > most_a ? of_k.a : most_a;
        most_b = of_k.b > most_b ? of_k.b : most_b;
    }
    for (int k = 0; k < MIXTURES; k++) {
        Component of_k = component_of(k, x, phi);
        REAL r = exp_of(of_k.a - most_a), s = exp_of(of_k.b - most_b);
        sum_a += r;
        sum_b += s;
        p = fma(of_k.e * of_k.sigma_bar, r, p);
        q = fma(of_k.e * of_k.sigma, s, q);
    }
    REAL inverse_a = R(1) / sum_a, inverse_b = R(1) / sum_b, u = (most_a - most_b) + (ln_of(sum_a) - ln_of(sum_b));
    return {most_a, inverse_a, p * inverse_a, most_b, inverse_b, q * inverse_b, u};
}

// t <- g(t); returns g'.
template <class Phi>
DEVICE REAL g_slope(REAL& t, Phi phi) {
    Sums sums = sums_of(t, phi);
    REAL scale = exp_of(phi(0));
    t = fma(scale, sums.u, phi(1));
    return scale * (sums.p + sums.q);
}

template <class Phi>
DEVICE REAL g_value(REAL& t, Phi phi) {
    Sums sums = sums_of(t, phi);
    t = fma(exp_of(phi(0)), sums.u, phi(1));
    return phi(0) + ln_of(sums.p + sums.q);
}

// The weights r and q of a component, and the sums they come from.
struct Weighed {
    Component of_k;
    REAL r, q, c, d;
};

// r, q, c = du/dz and D = du'/dz of a component.
DEVICE Weighed weighed(Component of_k, Sums sums) {
    REAL r = exp_of(of_k.a - sums.most_a) * sums.inverse_a, q = exp_of(of_k.b - sums.most_b) * sums.inverse_b;
    REAL of_r = r * of_k.sigma_bar, of_q = q * of_k.sigma, w = of_k.e * (of_k.sigma_bar - of_k.sigma);
    return {of_k, r, q, of_r + of_q, of_r * (w - sums.p) + of_q * (w + sums.q)};
}

template <class Phi>
DEVICE REAL g_evaluate(REAL& t, Phi phi, REAL (&kept)[KEPT]) {
    Sums sums = sums_of(t, phi);
    REAL scale = exp_of(phi(0)), slope = sums.p + sums.q, dlambda = 0, inverse = R(1) / slope;
    for (int k = 0; k < MIXTURES; k++) {
        Component of_k = component_of(k, t, phi);
        dlambda += of_k.e * (weighed(of_k, sums).d * inverse);
    }
    kept[0] = scale * slope;
    kept[1] = dlambda;
    kept[ARGUMENT] = t;
    kept[MOST_A] = sums.most_a;
    kept[INVERSE_A] = sums.inverse_a;
    kept[SLOPE_P] = sums.p;
    kept[MOST_B] = sums.most_b;
    kept[INVERSE_B] = sums.inverse_b;
    kept[SLOPE_Q] = sums.q;
    kept[SCALED] = scale * sums.u;
    t = fma(scale, sums.u, phi(1));
    return phi(0) + ln_of(slope);
}

template <class Phi, class Out>
DEVICE void g_vjp(REAL alpha_a, REAL beta, const REAL (&kept)[KEPT], Phi phi, Out v) {
    Sums sums = {kept[MOST_A], kept[INVERSE_A], kept[SLOPE_P], kept[MOST_B], kept[INVERSE_B], kept[SLOPE_Q], R(0)};
    REAL on_u = alpha_a * exp_of(phi(0)), on_slope = beta / (sums.p + sums.q);
    for (int k = 0; k < MIXTURES; k++) {
        Component of_k = component_of(k, kept[ARGUMENT], phi);
        Weighed by = weighed(of_k, sums);
        REAL dl = by.r * (of_k.e * of_k.sigma_bar - sums.p) + by.q * (of_k.e * of_k.sigma - sums.q);
        REAL on_z = fma(on_u, by.c, on_slope * by.d);
        v(2 + k, fma(on_u, by.r - by.q, on_slope * dl));
        v(2 + MIXTURES + k, -of_k.e * on_z);
        v(2 + 2 * MIXTURES + k, -fma(of_k.z, on_z, on_slope * (of_k.e * by.c)));
    }
    v(0, fma(alpha_a, kept[SCALED], beta));
    v(1, alpha_a);
}

// The solutions of the components, mu_k + e^s_k (y - b) e^-a, enclose that of the mixture.
template <class Phi>
DEVICE Bracket g_bracket(REAL y, Phi phi) {
    REAL scale, inverse;
    exp_both_ways(phi(0), scale, inverse);
    REAL z = (y - phi(1)) * inverse, share = R(1.0 / MIXTURES);
    Bracket bracket = {INFINITE, -INFINITE, R(0), scale + fabs(phi(1))};
    for (int k = 0; k < MIXTURES; k++) {
        REAL mu = phi(2 + MIXTURES + k), spread = exp_of(phi(2 + 2 * MIXTURES + k)) * z, x = mu + spread;
        REAL room = R(8) * EPSILON * (fabs(mu) + fabs(spread));
        bracket.low = x - room < bracket.low ? x - room : bracket.low;
        bracket.high = x + room > bracket.high ? x + room : bracket.high;
        bracket.guess = fma(x, share, bracket.guess);
        bracket.terms = fma(scale * share, fabs(phi(2 + k)), bracket.terms);
    }
    return bracket;
}
