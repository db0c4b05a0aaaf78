// Rational-quadratic splines of BINS bins and their closed inverses (spline.rs of upg-flows), MATH (21)-(23): phi = (K widths, K heights, the free
// slopes, the shift if there is one). The bins divide [LOW, LOW + LENGTH); with INVERSE, the transform is g^-1.
//
// No array of bins: the softmax takes two passes over phi, the search for the bin a third. What is kept besides the first two numbers is where the
// argument lies and what makes a softmax of phi; transform_vjp computes the rest again. It reads each phi_p for the last time before it calls v(p).

enum Form { ON_LINE, ODD, ON_CIRCLE };

#define LEAST 1e-3
#define SLOPES (2 * BINS)
#define SPLINE_SHIFT (3 * BINS)

// Places of what is kept: +-(k + 1) for the bin k, 0 outside; xi and 1 - xi; of widths and of heights the largest logit, 1 over the sum of the
// exponentials, and the sum of those below the bin.
enum { BIN = 2, XI, XI_BAR, MOST_W, INVERSE_W, BELOW_W, MOST_H, INVERSE_H, BELOW_H, NUMBERS };
static_assert(NUMBERS == KEPT && WIDTH == (FORM == ON_LINE ? 3 * BINS - 1 : 3 * BINS + 1), "numbers of an element");

// L m and L (1 - m K).
#define LEAST_SIZE R((LENGTH) * LEAST)
#define SHARED_OUT R((LENGTH) * (1.0 - LEAST * BINS))

// The softmax of the K logits of an axis: the largest one, and 1 over the sum of e^(theta - largest).
struct Softmax {
    REAL most, inverse;
};

struct Axes {
    Softmax w, h;
};

// An argument as the bins know it: in their interval, its sign, or 0 where it is outside, and the whole turns taken off.
struct Reduced {
    REAL u, sign, turns;
};

// The bin k of an argument: its left knot, and the sums of exponentials below it.
struct Found {
    int k;
    REAL x, y, below_w, below_h;
};

// A slope at a knot, and its derivative by theta as a ratio.
struct Slope {
    REAL delta, above, below;
};

struct Bin {
    REAL w, h, inverse_w, inverse_h, s;
    Slope left, right;
};

// xi and 1 - xi.
struct Place {
    REAL xi, xi_bar;
};

// A partial of g, and one of lambda.
struct Pair {
    REAL g, lambda;
};

// What g is in a bin: (g - y_k)/h, g', 1/g', d(lambda)/dt, and the partials by w and h at a fixed knot and by theta of both slopes.
struct Local {
    REAL rise, slope, inverse_slope, dlambda_dt;
    Pair by_w, by_h, by_left, by_right;
};

// The largest of the logits from `first` on.
template <class Phi>
DEVICE REAL largest_of(Phi phi, int first) {
    REAL most = phi(first);
#pragma unroll 4
    for (int j = 1; j < BINS; j++) {
        REAL theta = phi(first + j);
        most = theta > most ? theta : most;
    }
    return most;
}

template <class Phi>
DEVICE Axes axes_of(Phi phi) {
    REAL most_w = largest_of(phi, 0), most_h = largest_of(phi, BINS), sum_w = 0, sum_h = 0;
#pragma unroll 4
    for (int j = 0; j < BINS; j++) {
        sum_w += exp_beside_one(phi(j) - most_w);
        sum_h += exp_beside_one(phi(BINS + j) - most_h);
    }
    REAL inverse = R(1) / (sum_w * sum_h);
    return {{most_w, inverse * sum_h}, {most_h, inverse * sum_w}};
}

DEVICE Reduced reduced_of(REAL t) {
    if (FORM == ON_LINE) return {t, t >= R(LOW) && t < R((LOW) + (LENGTH)) ? R(1) : R(0), R(0)};
    if (FORM == ODD) return {fabs(t), fabs(t) < R(LENGTH) ? with_sign(R(1), t) : R(0), R(0)};
    REAL turns = floor(t * R(0.15915494309189535)) * R(LENGTH), rest = t - turns;
    return {rest < R(0) ? R(0) : rest, R(1), turns};
}

// The last bin whose left knot isn't above u, along x or, for the inverse, along y.
template <class Phi>
DEVICE Found bin_of(REAL u, Axes axes, Phi phi) {
    REAL share_w = SHARED_OUT * axes.w.inverse, share_h = SHARED_OUT * axes.h.inverse;
    REAL x = R(LOW), y = R(LOW), below_w = 0, below_h = 0;
    Found found = {0, x, y, R(0), R(0)};
#pragma unroll 2
    for (int k = 1; k < BINS; k++) {
        REAL e_w = exp_beside_one(phi(k - 1) - axes.w.most), e_h = exp_beside_one(phi(BINS + k - 1) - axes.h.most);
        below_w += e_w;
        below_h += e_h;
        x += fma(share_w, e_w, LEAST_SIZE);
        y += fma(share_h, e_h, LEAST_SIZE);
#ifdef INVERSE
        bool below = y <= u;
#else
        bool below = x <= u;
#endif
        if (below) found = {k, x, y, below_w, below_h};
    }
    return found;
}

// The place in phi of the slope at a knot; -1 where it isn't free, and 1.
DEVICE int slope_place(int knot) {
    if (FORM == ON_LINE) return knot == 0 || knot == BINS ? -1 : SLOPES + knot - 1;
    if (FORM == ODD) return knot == BINS ? -1 : SLOPES + knot;
    return SLOPES + (knot == BINS ? 0 : knot);
}

// delta = m + log(1 + e^z), z = theta + c, and the logistic function of z; c = log(e^(1 - m) - 1).
template <class Phi>
DEVICE Slope slope_of(int place, Phi phi) {
    REAL z = (place < 0 ? R(0) : phi(place)) + R(0.539742417236952), e = exp_beside_one(-fabs(z));
    REAL positive = z < R(0) ? R(0) : z;
    return {R(LEAST) + (positive + ln_1p_polynomial(e)), z < R(0) ? e : R(1), R(1) + e};
}

template <class Phi>
DEVICE Bin bin_at(int k, Axes axes, Phi phi) {
    REAL e_w = exp_beside_one(phi(k) - axes.w.most), e_h = exp_beside_one(phi(BINS + k) - axes.h.most);
    REAL w = fma(SHARED_OUT * axes.w.inverse, e_w, LEAST_SIZE), h = fma(SHARED_OUT * axes.h.inverse, e_h, LEAST_SIZE);
    REAL inverse_w = R(1) / w, inverse_h = R(1) / h;
    return {w, h, inverse_w, inverse_h, h * inverse_w, slope_of(slope_place(k), phi), slope_of(slope_place(k + 1), phi)};
}

// The share of a part in a whole, in [0, 1]: round-off of the knots may lead out of it. NaN stays NaN.
DEVICE REAL share_of(REAL part, REAL inverse_of_whole) {
    REAL share = (part < R(0) ? R(0) : part) * inverse_of_whole;
    return share > R(1) ? R(1) : share;
}

#ifdef INVERSE
// The place where N/D = eta: nothing cancels.
DEVICE Place place_of(REAL u, Found found, Bin bin) {
    REAL eta = share_of(u - found.y, bin.inverse_h), eta_bar = R(1) - eta, two_s = R(2) * bin.s;
    REAL b = fma(bin.left.delta, eta_bar, -(bin.right.delta * eta)), near_left = two_s * eta, near_right = two_s * eta_bar;
    REAL far = fabs(b) + sqrt(fma(b, b, near_left * near_right));
    REAL xi = b < R(0) ? far : near_left, xi_bar = b < R(0) ? near_right : far, whole = R(1) / (xi + xi_bar);
    return {xi * whole, xi_bar * whole};
}
#else
DEVICE Place place_of(REAL u, Found found, Bin bin) {
    REAL xi = share_of(u - found.x, bin.inverse_w);
    return {xi, R(1) - xi};
}
#endif

// The formulas stand in spline/rational.rs of upg-flows.
DEVICE Local local_of(Bin bin, Place place) {
    REAL s = bin.s, left = bin.left.delta, right = bin.right.delta, xi = place.xi, xi_bar = place.xi_bar;
    REAL xi2 = xi * xi, xi_bar2 = xi_bar * xi_bar, e = xi * xi_bar, both = left + right;
    REAL d = fma(both, e, s * (xi2 + xi_bar2)), n = fma(left, e, s * xi2);
    REAL left_part = left * xi_bar2, right_part = right * xi2, p = fma(R(2) * s, e, left_part + right_part);
    REAL inverse_hd = R(1) / (bin.h * d), inverse_d = bin.h * inverse_hd;
    // one division for 1/P and the logistic functions: their denominators, at most 2, lead out of no range
    REAL belows = bin.left.below * bin.right.below, inverse = R(1) / (belows * p);
    REAL inverse_p = inverse * belows, inverse_belows = inverse * p;
    REAL by_left = bin.left.above * bin.right.below * inverse_belows, by_right = bin.right.above * bin.left.below * inverse_belows;
    REAL e_d = e * inverse_d, twice_e = R(2) * e, s_d = s * inverse_d, d_s = d * (bin.w * bin.inverse_h);

    Local local;
    local.rise = n * inverse_d;
    local.slope = s_d * s_d * p;
    local.inverse_slope = (d_s * inverse_p) * d_s;
    REAL turn = xi_bar - xi, dp = fma(right, xi, fma(s, turn, -(left * xi_bar))), dd = fma(R(-2), s, both) * turn;
    local.dlambda_dt = R(2) * bin.inverse_w * fma(dp, inverse_p, -(dd * inverse_d));

    REAL s_rise_by_s = s * (e_d * inverse_d * (right_part - left_part));
    REAL lambda_by_h = twice_e * fma(both, inverse_hd, bin.inverse_w * inverse_p);
    REAL scale = bin.h * e_d * inverse_d, common = twice_e * inverse_d;
    local.by_w = {-fma(xi, local.slope, s * s_rise_by_s), -fma(xi, local.dlambda_dt, s * lambda_by_h)};
    local.by_h = {local.rise + s_rise_by_s, lambda_by_h};
    local.by_left = {by_left * (scale * fma(right, e, s * xi_bar2)), by_left * fma(xi_bar2, inverse_p, -common)};
    local.by_right = {-by_right * (scale * n), by_right * fma(xi2, inverse_p, -common)};
    return local;
}

// t <- g(t) or g^-1(t) from its place in a bin; the shift is added after g, and taken off before g^-1.
DEVICE REAL moved(REAL t, REAL shift, Reduced reduced, Found found, Bin bin, Place place, REAL rise) {
#ifdef INVERSE
    REAL inside = fma(bin.w, place.xi, found.x);
    shift = 0;
#else
    REAL inside = fma(bin.h, rise, found.y);
#endif
    return (reduced.sign == R(0) ? t : inside * reduced.sign + reduced.turns) + shift;
}

template <class Phi>
DEVICE REAL transform_evaluate(REAL& t, Phi phi, REAL (&kept)[KEPT]) {
    REAL shift = FORM == ON_LINE ? R(0) : phi(SPLINE_SHIFT);
#ifdef INVERSE
    t -= shift;
#endif
    Reduced reduced = reduced_of(t);
    Axes axes = axes_of(phi);
    Found found = bin_of(reduced.u, axes, phi);
    Bin bin = bin_at(found.k, axes, phi);
    Place place = place_of(reduced.u, found, bin);
    Local local = local_of(bin, place);
    t = moved(t, shift, reduced, found, bin, place, local.rise);

    bool outside = reduced.sign == R(0);
    REAL lambda = ln_of(outside ? R(1) : local.slope);
#ifdef INVERSE
    lambda = -lambda;
    kept[0] = outside ? R(1) : local.inverse_slope;
    kept[1] = -local.dlambda_dt * local.inverse_slope * reduced.sign;
#else
    kept[0] = outside ? R(1) : local.slope;
    kept[1] = local.dlambda_dt * reduced.sign;
#endif
    kept[BIN] = R(found.k + 1) * reduced.sign;
    kept[XI] = place.xi;
    kept[XI_BAR] = place.xi_bar;
    kept[MOST_W] = axes.w.most;
    kept[INVERSE_W] = axes.w.inverse;
    kept[BELOW_W] = found.below_w;
    kept[MOST_H] = axes.h.most;
    kept[INVERSE_H] = axes.h.inverse;
    kept[BELOW_H] = found.below_h;
    return lambda;
}

template <class Phi>
DEVICE REAL transform_value(REAL& t, Phi phi) {
    REAL kept[KEPT];
    return transform_evaluate(t, phi, kept);
}

// v = L (1 - mK) p_j (c_j - sum_i p_i c_i) for the logits of an axis from `first` on, with c = `knot` for the bins below k, `size` for k, 0 above.
template <class Phi, class Out>
DEVICE void through_softmax(int first, int k, Softmax softmax, REAL below, REAL knot, REAL size, Phi phi, Out v) {
    REAL here = exp_beside_one(phi(first + k) - softmax.most);
    REAL mean = fma(below, knot, here * size) * softmax.inverse, scale = SHARED_OUT * softmax.inverse;
    REAL of_lower = scale * (knot - mean), of_bin = scale * (size - mean), of_upper = -(scale * mean);
#pragma unroll 2
    for (int j = 0; j < BINS; j++) {
        REAL share = exp_beside_one(phi(first + j) - softmax.most);
        v(first + j, share * (j < k ? of_lower : j == k ? of_bin : of_upper));
    }
}

// The slope at a knot belongs to the bins on both sides.
template <class Out>
DEVICE void through_slopes(int k, REAL left, REAL right, Out v) {
    int of_left = slope_place(k), of_right = slope_place(k + 1);
    const int end = FORM == ON_LINE ? WIDTH : SPLINE_SHIFT;
    for (int p = SLOPES; p < end; p++) v(p, p == of_left ? left : p == of_right ? right : R(0));
}

template <class Phi, class Out>
DEVICE void transform_vjp(REAL alpha_a, REAL beta, const REAL (&kept)[KEPT], Phi phi, Out v) {
    REAL pulled = fma(alpha_a, kept[0], beta * kept[1]);
#ifdef INVERSE
    REAL on_g = -pulled, on_knot = -alpha_a, on_lambda = -beta; // MATH (6), and so what is pulled back through g is -alpha_a
#else
    REAL on_g = alpha_a, on_knot = pulled, on_lambda = beta;
#endif
    REAL sign = kept[BIN] == R(0) ? R(0) : with_sign(R(1), kept[BIN]);
    int k = kept[BIN] == R(0) ? 0 : (int)fabs(kept[BIN]) - 1;
    Softmax w = {kept[MOST_W], kept[INVERSE_W]}, h = {kept[MOST_H], kept[INVERSE_H]};
    Local local = local_of(bin_at(k, {w, h}, phi), {kept[XI], kept[XI_BAR]});
    REAL on_x = -on_knot * sign, on_y = on_g * sign;
    on_lambda *= fabs(sign);
    through_softmax(0, k, w, kept[BELOW_W], on_x, fma(on_y, local.by_w.g, on_lambda * local.by_w.lambda), phi, v);
    through_softmax(BINS, k, h, kept[BELOW_H], on_y, fma(on_y, local.by_h.g, on_lambda * local.by_h.lambda), phi, v);
    REAL left = fma(on_y, local.by_left.g, on_lambda * local.by_left.lambda);
    through_slopes(k, left, fma(on_y, local.by_right.g, on_lambda * local.by_right.lambda), v);
    if (FORM != ON_LINE) v(SPLINE_SHIFT, on_g);
}
