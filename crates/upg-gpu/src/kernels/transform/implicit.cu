// The transform is the inverse of g where it has no closed form (implicit.rs of upg-flows): t with g(t) = y by Newton's method inside a bracket, one
// thread by itself, and its partials by MATH (6) from those of g at t. NaN where there is no solution.

// Steps after which only bisection goes on, and steps at most.
#define NEWTON 32
#define BOUND (NEWTON + 200)

// An iterate t of the solver in its bracket, and the length of the step before; a bracket with low = high is done.
struct Iterate {
    REAL low, high, t, last;
};

// The largest |g(t) - y| of a solution: 2 epsilon (size + |g' t|).
DEVICE REAL allowed(REAL size, REAL slope_times_t) {
    REAL reach = fabs(slope_times_t);
    return R(2) * EPSILON * (size + (reach == INFINITE ? R(0) : reach));
}

// The next iterate after the residual r = g(t) - y and the slope g' at t.
DEVICE Iterate next_iterate(Iterate at, REAL residual, REAL slope, bool by_newton) {
    REAL rises = slope < R(0) ? -residual : residual;
    REAL low = rises > R(0) ? at.low : at.t, high = rises > R(0) ? at.t : at.high, width = high - low, middle = low + width / R(2);
    REAL newton = at.t - residual / slope, length = fabs(newton - at.t);
    bool good = by_newton && newton > low && newton < high && R(2) * length <= at.last;
    REAL larger = fabs(low) > fabs(high) ? fabs(low) : fabs(high);
    if (width <= R(2) * EPSILON * larger) return {middle, middle, middle, length};
    return good ? Iterate{low, high, newton, length} : Iterate{low, high, middle, width / R(2)};
}

// The solution of g(t) = y. From one within the bound on the residual follows one more step of Newton's, taken back if it leaves the bound.
template <class Phi>
DEVICE REAL solution_of(REAL y, Phi phi) {
    Bracket bracket = g_bracket(y, phi);
    Iterate at = {bracket.low, bracket.high, bracket.guess, bracket.high - bracket.low};
    REAL fallback = at.t, bound = INFINITE, size = fabs(y) + bracket.terms;
    bool refined = false;
#pragma unroll 1
    for (int step = 0; step <= BOUND; step++) {
        REAL value = at.t, slope = g_slope(value, phi), residual = value - y;
        if (refined) return fabs(residual) > bound ? fallback : at.t;
        REAL most = allowed(size, slope * at.t), correction = residual / slope;
        refined = fabs(residual) <= most && fabs(correction) < INFINITE;
        if (refined) {
            fallback = at.t;
            bound = most;
            at.t -= correction;
        } else if (fabs(residual) <= most || residual != residual || !(at.high > at.low)) {
            return at.t;
        } else {
            at = next_iterate(at, residual, slope, step < NEWTON);
        }
    }
    return at.t;
}

// Whether t isn't a solution: g(t), which is `value`, or y isn't a number.
DEVICE REAL solution_or_nan(REAL t, REAL value, REAL y) { return value - y != value - y ? value - y : t; }

template <class Phi>
DEVICE REAL transform_value(REAL& t, Phi phi) {
    REAL y = t, solution = solution_of(y, phi), value = solution;
    REAL lambda = g_value(value, phi);
    t = solution_or_nan(solution, value, y);
    return -lambda;
}

template <class Phi>
DEVICE REAL transform_evaluate(REAL& t, Phi phi, REAL (&kept)[KEPT]) {
    REAL y = t, solution = solution_of(y, phi), value = solution;
    REAL lambda = g_evaluate(value, phi, kept);
    t = solution_or_nan(solution, value, y);
    kept[0] = R(1) / kept[0];
    kept[1] = -kept[1] * kept[0];
    return -lambda;
}

// v of g with a' = -(alpha a dt/dy + beta d(lambda_inv)/dy) and -beta.
template <class Phi, class Out>
DEVICE void transform_vjp(REAL alpha_a, REAL beta, const REAL (&kept)[KEPT], Phi phi, Out v) {
    g_vjp(-fma(alpha_a, kept[0], beta * kept[1]), -beta, kept, phi, v);
}
