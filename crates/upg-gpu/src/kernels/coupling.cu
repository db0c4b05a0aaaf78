// A coupling x = (t, c), y_i = g(t_i; phi_i), over the functions of a transform g (transform/*.cu), MATH (4) and (5).
//
// x and covectors a have shape [dof, samples]; element i of the n that move is row rows[i] of them. phi and its cotangent v have shape
// [WIDTH n, samples], phi_p of element i being row p n + i; to phi comes a bias of WIDTH n numbers unless its pointer is null. What is kept
// has shape [n KEPT, samples]. With CIRCLE, what moves is an angle.

#undef FEWEST_BLOCKS
#define FEWEST_BLOCKS , 1

// phi(p) reads phi_p of element i, sample s; v(p, value) takes its cotangent.
#define PHI [=](int p) { int row = p * n + i; REAL value = phi[row * samples + s]; return bias ? value + bias[row] : value; }
#define COTANGENT [=](int p, REAL value) { v[(p * n + i) * samples + s] = value; }

DEVICE REAL in_space(REAL y) {
#ifdef CIRCLE
    return wrap_angle(y);
#else
    return y;
#endif
}

// t_i <- g(t_i; phi_i), what the transform keeps, and log_det[s] += sum_i lambda_i; c <- the m rows of x in kept_rows (m may be 0), which don't
// move: a copy for the net's gradient. Blocks of 32 samples, in which 8 groups share the elements.
// limits: 64 registers, 2048 bytes shared
// limits f64: 128 registers, 2048 bytes shared
KERNEL(256) coupling_evaluate(REAL* x, const int* rows, const REAL* phi, const REAL* bias, REAL* kept, double* log_det, const int* kept_rows, REAL* c, int n, int m, int samples) {
    SHARED(double, shared, 256);
    int s = (int)(blockIdx.x * 32 + threadIdx.x);
    double sum = 0;
    for (int i = (int)threadIdx.y; i < n && s < samples; i += 8) {
        REAL* t = x + rows[i] * samples + s;
        REAL y = *t, mine[KEPT];
        sum += (double)transform_evaluate(y, PHI, mine);
        *t = in_space(y);
#pragma unroll
        for (int k = 0; k < KEPT; k++) kept[(i * KEPT + k) * samples + s] = mine[k];
    }
    for (int i = (int)threadIdx.y; i < m && s < samples; i += 8) c[i * samples + s] = x[kept_rows[i] * samples + s];
    sum = sum_of_groups(sum, shared);
    if (threadIdx.y == 0 && s < samples) log_det[s] += sum;
}

// The same when nothing is kept.
// limits: 64 registers, 2048 bytes shared
// limits f64: 128 registers, 2048 bytes shared
KERNEL(256) coupling_value(REAL* x, const int* rows, const REAL* phi, const REAL* bias, double* log_det, int n, int samples) {
    SHARED(double, shared, 256);
    int s = (int)(blockIdx.x * 32 + threadIdx.x);
    double sum = 0;
    for (int i = (int)threadIdx.y; i < n && s < samples; i += 8) {
        REAL* t = x + rows[i] * samples + s;
        REAL y = *t;
        sum += (double)transform_value(y, PHI);
        *t = in_space(y);
    }
    sum = sum_of_groups(sum, shared);
    if (threadIdx.y == 0 && s < samples) log_det[s] += sum;
}

// What the transform has kept of element i, sample s.
DEVICE void read_kept(const REAL* kept, int i, int samples, int s, REAL (&mine)[KEPT]) {
#pragma unroll
    for (int k = 0; k < KEPT; k++) mine[k] = kept[(i * KEPT + k) * samples + s];
}

// MATH (4): a_t <- (a_t - w dlambda/dt) / g', then v = -(a_t dg/dphi + w dlambda/dphi); one thread an element and a sample.
// limits: 64 registers, 0 bytes shared
// limits f64: 128 registers, 0 bytes shared
KERNEL(256) coupling_push(REAL* a, const int* rows, const REAL* phi, const REAL* bias, const REAL* kept, REAL* v, REAL w, int n, int samples) {
    int e = THREAD, i = e / samples, s = e - i * samples;
    if (i >= n) return;
    REAL mine[KEPT];
    read_kept(kept, i, samples, s, mine);
    REAL* a_t = a + rows[i] * samples + s;
    REAL pushed = (*a_t - w * mine[1]) / mine[0];
    *a_t = pushed;
    transform_vjp(-pushed, -w, mine, PHI, COTANGENT);
}

// MATH (5): v = a_t dg/dphi + w dlambda/dphi, then a_t <- a_t g' + w dlambda/dt; one thread an element and a sample.
// limits: 64 registers, 0 bytes shared
// limits f64: 128 registers, 0 bytes shared
KERNEL(256) coupling_pull(REAL* a, const int* rows, const REAL* phi, const REAL* bias, const REAL* kept, REAL* v, REAL w, int n, int samples) {
    int e = THREAD, i = e / samples, s = e - i * samples;
    if (i >= n) return;
    REAL mine[KEPT];
    read_kept(kept, i, samples, s, mine);
    REAL* a_t = a + rows[i] * samples + s;
    REAL old = *a_t;
    transform_vjp(old, w, mine, PHI, COTANGENT);
    *a_t = fma(old, mine[0], w * mine[1]);
}
