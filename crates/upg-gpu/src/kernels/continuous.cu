// The flow of a vector field by the classical Runge-Kutta method, MATH (30)-(32) (continuous.rs of upg-flows): all steps in one kernel.
//
// Before it stand the text of a field, with BLOCK, SAMPLES, THREADS_OF_SAMPLE, OWN and DOF; Field, FIELD_ARGUMENTS and FIELD(times); field_value, field_pull
// and field_value_with_pull; way.cu; and a text that loads and stores samples, coordinates.cu or links.cu. A block has SAMPLES samples; thread j of a sample owns its coordinates j, j + THREADS_OF_SAMPLE, ..., OWN of them,
// in registers. Behind the last sample stand copies of it, whose covectors and weights are 0. The tape has the inputs of all stages, shape
// [step][stage][block of samples][sample][coordinate].

// As many blocks beside each other as let nothing be spilled.
#undef FEWEST_BLOCKS
#if BLOCK > 256
#define FEWEST_BLOCKS , 1
#elif defined(REAL_IS_DOUBLE)
#define FEWEST_BLOCKS , (OWN > 1 ? 1 : 2)
#else
#define FEWEST_BLOCKS , (OWN > 1 ? 2 : 3)
#endif

DEVICE int on_tape(const Field& f, int e) { return f.sample() * DOF + f.site(e); }

// kappa <- alpha start + beta xi, in the place of xi, for the push (31) or the pull-back (32) at stage i; returns alpha.
DEVICE double aim(const Way& way, int push, int i, const REAL (&start)[OWN], REAL (&xi)[OWN]) {
    double alpha = push ? -way.weight(i) : way.weight(i), beta = 0;
    if (push && i > 0) beta = -way.weight(i) * way.reach(i - 1) / way.weight(i - 1);
    if (!push) beta = way.reach(i);
#pragma unroll
    for (int e = 0; e < OWN; e++) xi[e] = fma(R(alpha), start[e], R(beta) * xi[e]);
    return alpha;
}

DEVICE void copy(const REAL (&from)[OWN], REAL (&to)[OWN]) {
#pragma unroll
    for (int e = 0; e < OWN; e++) to[e] = from[e];
}

DEVICE void add_scaled(REAL alpha, const REAL (&x)[OWN], REAL (&y)[OWN]) {
#pragma unroll
    for (int e = 0; e < OWN; e++) y[e] = fma(alpha, x[e], y[e]);
}

// log_det[s] += the sum over the threads of each sample.
DEVICE void add_log_det(const Field& f, const Way& way, double mine, double* log_det) {
    double sum = sum_of_threads(mine, f.mine(), THREADS_OF_SAMPLE, f.reduced() + f.sample() * THREADS_OF_SAMPLE);
    if (f.mine() == 0 && way.real) log_det[way.sample] += sum;
}

// MATH (30), and with SCORE (31) for the score alongside.
template <int SCORE>
DEVICE void integrate(Field& f, const Way& way, REAL* batch, double* log_det, REAL* tape, REAL* score) {
    REAL x[OWN], base[OWN], input[OWN], v[OWN], a[OWN], start[OWN], xi[OWN];
    load_point(f, way, batch, x);
    if (SCORE) load_covector(f, way, score, a);
    double sum = 0;
#pragma unroll 1
    for (int step = 0; step < way.steps; step++) {
        copy(x, base);
        copy(x, input);
        if (SCORE) copy(a, start);
#pragma unroll
        for (int e = 0; SCORE && e < OWN; e++) xi[e] = 0;
#pragma unroll 1
        for (int i = 0; i < 4; i++) {
            if (tape) {
#pragma unroll
                for (int e = 0; e < OWN; e++)
                    if (f.owns(e)) tape[way.tape(step, i) + on_tape(f, e)] = input[e];
            }
            double divergence;
            if (SCORE) {
                double alpha = aim(way, 1, i, start, xi);
                field_value_with_pull(f, way.time(step, i), input, v, divergence, xi, way.real ? R(alpha) : R(0));
                add_scaled(R(1), xi, a);
            } else {
                field_value(f, way.time(step, i), input, v, divergence);
            }
            add_scaled(R(way.weight(i)), v, x);
            sum += way.weight(i) * divergence;
            copy(base, input);
            add_scaled(R(way.reach(i)), v, input);
        }
    }
    add_log_det(f, way, sum, log_det);
    store_point(f, way, x, batch);
    if (SCORE) store_covector(f, way, a, score);
}

// MATH (31) or (32) along the tape; with GRADIENT adds to the sums of a block.
template <int GRADIENT>
DEVICE void carry(Field& f, const Way& way, REAL* covector, const REAL* tape, double weight, int push, double* sums) {
    REAL x[OWN], a[OWN], start[OWN], xi[OWN];
    load_covector(f, way, covector, a);
#pragma unroll 1
    for (int n = 0; n < way.steps; n++) {
        int step = push ? n : way.steps - 1 - n;
        copy(a, start);
#pragma unroll
        for (int e = 0; e < OWN; e++) xi[e] = 0;
#pragma unroll 1
        for (int m = 0; m < 4; m++) {
            int i = push ? m : 3 - m;
#pragma unroll
            for (int e = 0; e < OWN; e++) x[e] = f.owns(e) ? tape[way.tape(step, i) + on_tape(f, e)] : R(0);
            double alpha = aim(way, push, i, start, xi);
            field_pull<GRADIENT>(f, way.time(step, i), x, xi, way.real ? R(alpha * weight) : R(0), sums);
            add_scaled(R(1), xi, a);
        }
    }
    store_covector(f, way, a, covector);
}

// x <- T(x), log_det += l; a tape if there is one. A block for SAMPLES samples.
// limits: 128 registers, 0 bytes shared
// limits f64: 224 registers, 0 bytes shared
KERNEL(BLOCK) continuous_forward(REAL* x, double* log_det, REAL* tape, double h, int steps, int back, int samples, FIELD_ARGUMENTS) {
    Field f = FIELD(2 * steps + 1);
    integrate<0>(f, way_of(f, (int)blockIdx.x, h, steps, back, samples), x, log_det, tape, (REAL*)0);
}

// The same with a tape, and the score pushed forward.
// limits: 128 registers, 0 bytes shared
// limits f64: 255 registers, 0 bytes shared
KERNEL(BLOCK) continuous_forward_with_score(REAL* x, double* log_det, REAL* tape, REAL* score, double h, int steps, int back, int samples, FIELD_ARGUMENTS) {
    Field f = FIELD(2 * steps + 1);
    integrate<1>(f, way_of(f, (int)blockIdx.x, h, steps, back, samples), x, log_det, tape, score);
}

// a <- its push or pull-back. A block for SAMPLES samples.
// limits: 128 registers, 0 bytes shared
// limits f64: 224 registers, 0 bytes shared
KERNEL(BLOCK) continuous_carry(REAL* a, const REAL* tape, double weight, int push, double h, int steps, int back, int samples, FIELD_ARGUMENTS) {
    Field f = FIELD(2 * steps + 1);
    carry<0>(f, way_of(f, (int)blockIdx.x, h, steps, back, samples), a, tape, weight, push, (double*)0);
}

// The same, and parts[block] <- the sums for the gradient over the samples of the blocks number block, block + blocks, ... of the other kernels.
// limits: 128 registers, 0 bytes shared
// limits f64: 255 registers, 0 bytes shared
KERNEL(BLOCK) continuous_carry_with_sums(REAL* a, const REAL* tape, double weight, int push, double* parts, int sums, double h, int steps, int back, int samples, FIELD_ARGUMENTS) {
    Field f = FIELD(2 * steps + 1);
    double* into = parts + (u64)blockIdx.x * sums;
    for (int i = ME; i < sums; i += BLOCK) into[i] = 0;
    BARRIER();
    for (int group = (int)blockIdx.x; group * SAMPLES < samples; group += (int)gridDim.x) {
        Way way = way_of(f, group, h, steps, back, samples);
        carry<1>(f, way, a, tape, weight, push, into);
    }
}

// parts[0] <- the sum of all parts; one thread a sum.
// limits: 48 registers, 0 bytes shared
KERNEL(256) continuous_add_parts(double* parts, int count, int sums) {
    int i = THREAD;
    if (i >= sums) return;
    double sum = parts[i];
    for (int part = 1; part < count; part++) sum += parts[(u64)part * sums + i];
    parts[i] = sum;
}
