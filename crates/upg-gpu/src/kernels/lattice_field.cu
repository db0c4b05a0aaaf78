// The lattice field, MATH (33) and (34) (lattice_field.rs of upg-flows), for the kernels of continuous.cu.
//
// Of the F + 1 features GROUP go through the transforms together.
// Of theta is prepared: omega [F], then W_f(t, 0) [time][F + 1], then W_f(t, k) [time][F + 1][mode]; F + 1 counts the linear part, the last one.
// Numbers: the tables of the axes, then cos pi j t, [time][j]. Table: where the modes of each orbit begin, [orbits + 1], then their places.
// What is added up for the gradient: [time][F + 1][orbit], then what each member of an orbit gets beside, [time][F + 1], then of omega, [F].

struct Field : OnLattice {
    const REAL *prepared, *numbers;
    const int* table;
    int kinds, orbits, times;

    DEVICE_METHOD int grouped(int kind) const { return min(GROUP, kinds - kind); }
    DEVICE_METHOD bool linear(int kind) const { return kind == kinds - 1; }
    DEVICE_METHOD REAL omega(int kind) const { return linear(kind) ? R(0) : prepared[kind]; }
    DEVICE_METHOD REAL at_origin(int time, int kind) const { return prepared[kinds - 1 + time * kinds + kind]; }
    DEVICE_METHOD REAL weight(int time, int kind, int e) const {
        return prepared[kinds - 1 + times * kinds + (u64)(time * kinds + kind) * SITES + site(e)];
    }
};

#define FIELD_ARGUMENTS const REAL *prepared, const REAL *numbers, const int *table, int kinds, int orbits
#define FIELD(times) field_of(prepared, numbers, table, kinds, orbits, times)

DEVICE Field field_of(const REAL* prepared, const REAL* numbers, const int* table, int kinds, int orbits, int times) {
    return {on_lattice(numbers), prepared, numbers, table, kinds, orbits, times};
}

// v, and what this thread has of div v, the first two lines of MATH (33).
DEVICE void field_value(Field& f, int time, const REAL (&x)[OWN], REAL (&v)[OWN], double& divergence) {
    divergence = f.mine() == 0 ? (double)SITES * (double)f.at_origin(time, f.kinds - 1) : 0;
#pragma unroll
    for (int e = 0; e < OWN; e++) v[e] = 0;
#pragma unroll 1
    for (int kind = 0; kind < f.kinds; kind += GROUP) {
        int features = f.grouped(kind);
#pragma unroll 1
        for (int g = 0; g < features; g++) {
            bool linear = f.linear(kind + g);
            REAL omega = f.omega(kind + g);
            double factor = (double)(omega * f.at_origin(time, kind + g));
#pragma unroll
            for (int e = 0; e < OWN; e++) {
                if (!f.owns(e)) continue;
                REAL sine = x[e], cosine = 0;
                if (!linear) sin_cos_of(omega * x[e], sine, cosine);
                f.at(g, e) = sine;
                divergence += factor * (double)cosine;
            }
        }
        BARRIER();
        to_modes(f.fields, features * SAMPLES);
        for (int g = 0; g < features; g++) {
#pragma unroll
            for (int e = 0; e < OWN; e++)
                if (f.owns(e)) v[e] = MAD(f.weight(time, kind + g, e), f.at(g, e), v[e]);
        }
    }
#pragma unroll
    for (int e = 0; e < OWN; e++)
        if (f.owns(e)) f.at(0, e) = v[e];
    BARRIER();
    to_sites(f.fields, SAMPLES);
#pragma unroll
    for (int e = 0; e < OWN; e++)
        if (f.owns(e)) v[e] = f.at(0, e);
}

// Adds the sums over sites and samples of a group of features: w omega_f/V sum cos omega_f phi for the weights, and the last line of MATH (34).
DEVICE void add_frequency_sums(const Field& f, int time, int kind, int features, double* sums) {
    BARRIER();
    reduce_lanes(2 * features);
    double* beside = sums + (u64)f.times * f.kinds * f.orbits;
    for (int q = ME; q < 2 * features; q += BLOCK) {
        int of = kind + q / 2;
        double sum = reduced_sum(q);
        if (q % 2 == 0) beside[time * f.kinds + of] += sum;
        else if (!f.linear(of)) beside[f.times * f.kinds + of] += sum;
    }
}

// Adds the sums over the modes of each orbit of kappa x_f, the second line of MATH (34).
DEVICE void add_orbit_sums(Field& f, int time, const REAL (&x)[OWN], const REAL (&modes)[OWN], double* sums) {
#pragma unroll 1
    for (int kind = 0; kind < f.kinds; kind += GROUP) {
        int features = f.grouped(kind);
#pragma unroll 1
        for (int g = 0; g < features; g++) {
            bool linear = f.linear(kind + g);
            REAL omega = f.omega(kind + g);
#pragma unroll
            for (int e = 0; e < OWN; e++) {
                if (!f.owns(e)) continue;
                REAL sine = x[e], cosine;
                if (!linear) sin_cos_of(omega * x[e], sine, cosine);
                f.at(g, e) = sine;
            }
        }
        BARRIER();
        to_modes(f.fields, features * SAMPLES);
        for (int g = 0; g < features; g++) {
#pragma unroll
            for (int e = 0; e < OWN; e++)
                if (f.owns(e)) f.at(g, e) *= modes[e];
        }
        BARRIER();
        double* into = sums + (u64)(time * f.kinds + kind) * f.orbits;
        for (int task = ME; task < features * f.orbits; task += BLOCK) {
            const REAL* products = tables_of_axes() + f.fields.now + task / f.orbits * SAMPLES * LATTICE;
            int orbit = task % f.orbits, end = f.table[orbit + 1];
            double sum = 0;
            for (int member = f.table[orbit]; member < end; member++) {
                int at = f.table[f.orbits + 1 + member];
                for (int s = 0; s < SAMPLES; s++) sum += (double)products[s * LATTICE + at];
            }
            into[task] += sum;
        }
        BARRIER();
    }
}

// kappa <- (dv/dphi)^T kappa + w grad div v, MATH (34); with GRADIENT also adds the sums of its other lines to `sums`.
template <int GRADIENT>
DEVICE void field_pull(Field& f, int time, const REAL (&x)[OWN], REAL (&kappa)[OWN], REAL w, double* sums) {
    REAL modes[OWN];
#pragma unroll
    for (int e = 0; e < OWN; e++)
        if (f.owns(e)) f.at(0, e) = kappa[e];
    BARRIER();
    to_modes(f.fields, SAMPLES);
#pragma unroll
    for (int e = 0; e < OWN; e++) {
        modes[e] = f.owns(e) ? f.at(0, e) : R(0);
        kappa[e] = 0;
    }
#pragma unroll 1
    for (int kind = 0; kind < f.kinds; kind += GROUP) {
        int features = f.grouped(kind);
        for (int g = 0; g < features; g++) {
#pragma unroll
            for (int e = 0; e < OWN; e++)
                if (f.owns(e)) f.at(g, e) = f.weight(time, kind + g, e) * modes[e];
        }
        BARRIER();
        to_sites(f.fields, features * SAMPLES);
#pragma unroll 1
        for (int g = 0; g < features; g++) {
            bool linear = f.linear(kind + g);
            REAL omega = f.omega(kind + g), at_origin = f.at_origin(time, kind + g);
            REAL bend = w * at_origin * omega * omega;
            double of_weight = linear && f.mine() == 0 ? (double)w : 0, of_omega = 0;
#pragma unroll
            for (int e = 0; e < OWN; e++) {
                if (!f.owns(e)) continue;
                REAL field = f.at(g, e), sine = 0, cosine = 1;
                if (!linear) sin_cos_of(omega * x[e], sine, cosine);
                kappa[e] = fma(linear ? field : omega * field, cosine, fma(-bend, sine, kappa[e]));
                if (GRADIENT && !linear) {
                    of_weight += (double)cosine;
                    of_omega += (double)(w * at_origin * fma(-(omega * x[e]), sine, cosine) + field * x[e] * cosine);
                }
            }
            if (GRADIENT) {
                f.reduced()[2 * g * BLOCK + ME] = linear ? of_weight : (double)(w * omega) / SITES * of_weight;
                f.reduced()[(2 * g + 1) * BLOCK + ME] = of_omega;
            }
        }
        if (GRADIENT) add_frequency_sums(f, time, kind, features, sums);
    }
    if (GRADIENT) add_orbit_sums(f, time, x, modes, sums);
}

// Both at one x.
DEVICE void field_value_with_pull(Field& f, int time, const REAL (&x)[OWN], REAL (&v)[OWN], double& divergence, REAL (&kappa)[OWN], REAL w) {
    field_pull<0>(f, time, x, kappa, w, (double*)0);
    field_value(f, time, x, v, divergence);
}

// omega, W(t, k) for all modes, and W(t, 0), their mean; a block for each time and feature.
// limits: 64 registers, 2176 bytes shared
KERNEL(256) lattice_prepare(const REAL* theta, const REAL* basis, const int* orbit_of, REAL* prepared, int times, int functions, int kinds, int orbits) {
    SHARED(double, shared, 272);
    int time = (int)blockIdx.x / kinds, kind = (int)blockIdx.x % kinds;
    REAL* at_origin = prepared + kinds - 1;
    REAL* weights = at_origin + times * kinds + (u64)blockIdx.x * SITES;
    double total = 0;
    for (int k = (int)threadIdx.x; k < SITES; k += 256) {
        REAL sum = 0;
        for (int j = 0; j < functions; j++)
            sum = fma(basis[time * functions + j], theta[(kind * functions + j) * orbits + orbit_of[k]], sum);
        weights[k] = sum;
        total += (double)sum;
    }
    total = sum_of_block(total, shared);
    if (threadIdx.x != 0) return;
    at_origin[blockIdx.x] = R(total / SITES);
    if (time == 0 && kind < kinds - 1) prepared[kind] = exp_of(theta[kinds * functions * orbits + kind]);
}

// The gradient, (+)= the sums taken through W_f(t, k) = sum_j w_fjo cos pi j t and omega = e^(log omega); one thread a parameter.
// limits: 64 registers, 0 bytes shared
KERNEL(256) lattice_gradient(const double* sums, const REAL* basis, const int* first, const REAL* omega, REAL* grad, int add, int times, int functions, int kinds, int orbits) {
    int p = THREAD, weights = kinds * functions * orbits;
    if (p >= weights + kinds - 1) return;
    const double* beside = sums + (u64)times * kinds * orbits;
    double sum = 0;
    if (p >= weights) {
        sum = (double)omega[p - weights] * beside[times * kinds + p - weights];
    } else {
        int kind = p / (functions * orbits), j = p / orbits % functions, orbit = p % orbits;
        double members = first[orbit + 1] - first[orbit];
        for (int t = 0; t < times; t++) {
            int of = t * kinds + kind;
            sum += (double)basis[t * functions + j] * (sums[(u64)of * orbits + orbit] + members * beside[of]);
        }
    }
    grad[p] = R(sum) + (add ? grad[p] : R(0));
}
