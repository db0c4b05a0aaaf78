// The field of plaquettes, MATH (36) and (37) (plaquette_field.rs of upg-flows), for the kernels of continuous.cu.
//
// Macros beside those of lattice_modes.cu: PRODUCTS, M. All of GROUP = 2M fields go through the transforms together: 0 ... M - 1 belong to sines, the others
// to cosines; a thread does with its modes and sites what is done at each of them alone.
// Of theta is prepared: A, B, C and S, [time][matrix][n][m][orbit], then w, [time][N].
// Numbers: the tables of the axes, then 1/p^2 of each orbit, for links.cu. Table: where the modes of each orbit begin, [orbits + 1], then their places, then
// the orbit of each mode.
// What is added up for the gradient: [time][A or B][n][m][orbit]; then by times Sum w s_n s_m of all modes, Sum w c_n c_m, [n][m] each, and that of w, [N].

#define PAIRS (PRODUCTS * PRODUCTS)
// Loops over n and m that are unrolled, so that their arrays are registers.
constexpr int UNROLLED = PRODUCTS <= 4 ? PRODUCTS : 1;
enum { A, B, C, S, MATRICES };

// 1 - 1/V.
constexpr double SHARE = 1.0 - 1.0 / SITES;

struct Field : OnLattice {
    const REAL *prepared, *numbers;
    const int* table;
    int sines, orbits, times;

    DEVICE_METHOD int orbit(int e) const { return table[orbits + 1 + SITES + site(e)]; }
    DEVICE_METHOD REAL inverse(int e) const { return numbers[TABLES + orbit(e)]; }
    // Entry (0, 0) of a matrix for the mode of a thread; entry (n, m) is PRODUCTS n + m times `orbits` further.
    DEVICE_METHOD const REAL* matrix(int time, int which, int e) const {
        return prepared + (u64)(time * MATRICES + which) * PAIRS * orbits + orbit(e);
    }
    DEVICE_METHOD const REAL* linear(int time) const { return prepared + (u64)times * MATRICES * PAIRS * orbits + time * sines; }
    // The room beside the fields, as `field` and `at` of these.
    DEVICE_METHOD REAL* field_beside(int g) const { return field(g) + (fields.spare - fields.now); }
    DEVICE_METHOD REAL& beside(int g, int e) const { return field_beside(g)[place(site(e))]; }
};

#define FIELD_ARGUMENTS const REAL *prepared, const REAL *numbers, const int *table, int sines, int orbits
#define FIELD(times) field_of(prepared, numbers, table, sines, orbits, times)

DEVICE Field field_of(const REAL* prepared, const REAL* numbers, const int* table, int sines, int orbits, int times) {
    return {on_lattice(numbers), prepared, numbers, table, sines, orbits, times};
}

// sin P and cos P of what a thread owns.
struct Angles {
    REAL s[OWN], c[OWN];
};

DEVICE Angles angles_of(const Field& f, const REAL (&x)[OWN]) {
    Angles first;
#pragma unroll
    for (int e = 0; e < OWN; e++)
        if (f.owns(e)) sin_cos_of(x[e], first.s[e], first.c[e]);
    return first;
}

// s_(n + 1) and c_(n + 1) from s_n and c_n.
DEVICE void turn(REAL& s, REAL& c, REAL s_1, REAL c_1) {
    REAL next = fma(s, c_1, c * s_1);
    c = fma(c, c_1, -s * s_1);
    s = next;
}

// Fields a s_n and a c_n at the sites, and their transform.
DEVICE void waves_to_modes(Field& f, const Angles& first, const REAL (&a)[OWN]) {
#pragma unroll
    for (int e = 0; e < OWN; e++) {
        if (!f.owns(e)) continue;
        REAL s = first.s[e], c = first.c[e];
        for (int n = 0; n < PRODUCTS; n++) {
            f.at(n, e) = a[e] * s;
            f.at(PRODUCTS + n, e) = a[e] * c;
            turn(s, c, first.s[e], first.c[e]);
        }
    }
    BARRIER();
    to_modes(f.fields, GROUP * SAMPLES);
}

// The modes that a thread owns of all fields.
struct Modes {
    REAL of[OWN][GROUP];
};

DEVICE Modes modes_of(const Field& f) {
    Modes modes;
#pragma unroll
    for (int e = 0; e < OWN; e++) {
#pragma unroll (2 * UNROLLED)
        for (int g = 0; g < GROUP; g++) modes.of[e][g] = f.owns(e) ? f.at(g, e) : R(0);
    }
    return modes;
}

// Sum_m K_nm x_m with rows and columns so far apart.
DEVICE REAL row_times(const REAL* row, int stride, const REAL* x) {
    REAL sum = 0;
#pragma unroll (UNROLLED)
    for (int m = 0; m < PRODUCTS; m++) sum = MAD(row[m * stride], x[m], sum);
    return sum;
}

// Half of Sum_nm [C_nm c_n c_m + S_nm s_n s_m] over the modes of this thread.
DEVICE double quadratic_form(const Field& f, int time, const Modes& modes) {
    double sum = 0;
#pragma unroll
    for (int e = 0; e < OWN; e++) {
        if (!f.owns(e)) continue;
        const REAL *sines = modes.of[e], *cosines = sines + PRODUCTS, *of_s = f.matrix(time, S, e), *of_c = f.matrix(time, C, e);
        REAL form = 0;
#pragma unroll (UNROLLED)
        for (int n = 0; n < PRODUCTS; n++) {
            int row = n * PRODUCTS * f.orbits;
            form = MAD(sines[n], row_times(of_s + row, f.orbits, sines), form);
            form = MAD(cosines[n], row_times(of_c + row, f.orbits, cosines), form);
        }
        sum += 0.5 * (double)form;
    }
    return sum;
}

// Fields A_nm * c_m and B_nm * s_m, summed over m, at the sites: what multiplies s_n and c_n in q.
DEVICE void factors_to_sites(Field& f, int time, const Modes& modes) {
#pragma unroll
    for (int e = 0; e < OWN; e++) {
        if (!f.owns(e)) continue;
        const REAL *sines = modes.of[e], *cosines = sines + PRODUCTS, *a = f.matrix(time, A, e), *b = f.matrix(time, B, e);
#pragma unroll (UNROLLED)
        for (int n = 0; n < PRODUCTS; n++) {
            int row = n * PRODUCTS * f.orbits;
            f.at(n, e) = row_times(a + row, f.orbits, cosines);
            f.at(PRODUCTS + n, e) = row_times(b + row, f.orbits, sines);
        }
    }
    BARRIER();
    to_sites(f.fields, GROUP * SAMPLES);
}

// x - mean x.
DEVICE void subtract_mean(const Field& f, REAL (&x)[OWN]) {
    double sum = 0;
#pragma unroll
    for (int e = 0; e < OWN; e++)
        if (f.owns(e)) sum += (double)x[e];
    sum = sum_of_threads(sum, f.mine(), THREADS_OF_SAMPLE, f.reduced() + f.sample() * THREADS_OF_SAMPLE);
#pragma unroll
    for (int e = 0; e < OWN; e++) x[e] = f.owns(e) ? x[e] - R(sum / SITES) : R(0);
}

// The first line of MATH (36), from the factors; adds (1 - 1/V) Sum_n n w_n c_n to the divergence.
DEVICE void velocity(const Field& f, int time, const Angles& first, REAL (&v)[OWN], double& divergence) {
    const REAL* w = f.linear(time);
#pragma unroll
    for (int e = 0; e < OWN; e++) {
        v[e] = 0;
        if (!f.owns(e)) continue;
        REAL s = first.s[e], c = first.c[e], slope = 0;
        for (int n = 0; n < max(f.sines, PRODUCTS); n++) {
            if (n < f.sines) {
                v[e] = MAD(w[n], s, v[e]);
                slope = MAD(R(n + 1) * w[n], c, slope);
            }
            if (n < PRODUCTS) v[e] = MAD(s, f.at(n, e), MAD(c, f.at(PRODUCTS + n, e), v[e]));
            turn(s, c, first.s[e], first.c[e]);
        }
        divergence += SHARE * (double)slope;
    }
    subtract_mean(f, v);
}

// Adds to `out` the terms of MATH (37) that fields f_n and g_n have, which belong to sines and to cosines: n [c_n a f_n - s_n a g_n].
DEVICE void add_pulled(const Field& f, const Angles& first, const REAL (&a)[OWN], REAL (&out)[OWN]) {
#pragma unroll
    for (int e = 0; e < OWN; e++) {
        if (!f.owns(e)) continue;
        REAL s = first.s[e], c = first.c[e], sum = 0;
        for (int n = 0; n < PRODUCTS; n++) {
            sum = fma(R(n + 1), MAD(c, f.at(n, e), -s * f.at(PRODUCTS + n, e)), sum);
            turn(s, c, first.s[e], first.c[e]);
        }
        out[e] = fma(a[e], sum, out[e]);
    }
}

// Sum_n n w_n [a c_n - w (1 - 1/V) n s_n].
DEVICE void linear_pulled(const Field& f, int time, const Angles& first, const REAL (&a)[OWN], REAL w, REAL (&out)[OWN]) {
    const REAL* weights = f.linear(time);
#pragma unroll
    for (int e = 0; e < OWN; e++) {
        out[e] = 0;
        if (!f.owns(e)) continue;
        REAL s = first.s[e], c = first.c[e], slope = 0, bend = 0;
        for (int n = 0; n < f.sines; n++) {
            REAL of_n = R(n + 1) * weights[n];
            slope = MAD(of_n, c, slope);
            bend = MAD(R(n + 1) * of_n, s, bend);
            turn(s, c, first.s[e], first.c[e]);
        }
        out[e] = fma(a[e], slope, -(w * R(SHARE)) * bend);
    }
}

// The convolutions in S_n and C_n of MATH (37) at the sites, from the modes of a s_n and a c_n in shared memory.
DEVICE void cotangents_to_sites(Field& f, int time, const Modes& modes, REAL w) {
    const Modes products = modes_of(f);
#pragma unroll
    for (int e = 0; e < OWN; e++) {
        if (!f.owns(e)) continue;
        const REAL *sines = modes.of[e], *cosines = sines + PRODUCTS, *with_sines = products.of[e], *with_cosines = with_sines + PRODUCTS;
#pragma unroll (UNROLLED)
        for (int n = 0; n < PRODUCTS; n++) {
            int column = n * f.orbits, row = PRODUCTS * column;
            REAL of_sine = row_times(f.matrix(time, B, e) + column, PRODUCTS * f.orbits, with_cosines);
            REAL of_cosine = row_times(f.matrix(time, A, e) + column, PRODUCTS * f.orbits, with_sines);
            f.at(n, e) = fma(w, row_times(f.matrix(time, S, e) + row, f.orbits, sines), of_sine);
            f.at(PRODUCTS + n, e) = fma(w, row_times(f.matrix(time, C, e) + row, f.orbits, cosines), of_cosine);
        }
    }
    BARRIER();
    to_sites(f.fields, GROUP * SAMPLES);
}

// into[q] += the sum over the threads of a block of part(q), for q = 0, 1, ..., in their order.
template <typename Part>
DEVICE void add_sums_of_block(int count, Part part, double* into) {
    for (int first = 0; first < count; first += REDUCED) {
        int of = min(REDUCED, count - first);
        for (int q = 0; q < of; q++) reduced_parts()[q * BLOCK + ME] = part(first + q);
        BARRIER();
        reduce_lanes(of);
        for (int q = ME; q < of; q += BLOCK) into[first + q] += reduced_sum(q);
        BARRIER();
    }
}

// w s_n s_m or w c_n c_m, over the modes of this thread, from the fields beside.
DEVICE double own_products(const Field& f, int pair, REAL w) {
    int half = pair / PAIRS * PRODUCTS, n = half + pair % PAIRS / PRODUCTS, m = half + pair % PRODUCTS;
    double sum = 0;
#pragma unroll
    for (int e = 0; e < OWN; e++)
        if (f.owns(e)) sum += (double)(w * f.beside(n, e) * f.beside(m, e));
    return sum;
}

// Adds the sums over all modes, and those over sites for w: a s_n + w (1 - 1/V) n c_n.
DEVICE void add_sums_of_all(const Field& f, const Angles& first, const REAL (&a)[OWN], REAL w, double* into) {
    Angles wave = first;
    auto part = [&](int q) {
        if (q < 2 * PAIRS) return own_products(f, q, w);
        double sum = 0;
        REAL of_cosine = w * R(SHARE) * R(q - 2 * PAIRS + 1);
#pragma unroll
        for (int e = 0; e < OWN; e++) {
            if (!f.owns(e)) continue;
            sum += (double)fma(a[e], wave.s[e], of_cosine * wave.c[e]);
            turn(wave.s[e], wave.c[e], first.s[e], first.c[e]);
        }
        return sum;
    };
    add_sums_of_block(2 * PAIRS + f.sines, part, into);
}

// The derivative with respect to A_nm(k) or B_nm(k) of one sample, but for what all modes have in common: the last line of MATH (37). `at` is the place of k.
DEVICE REAL of_mode(const Field& f, int which, int n, int m, int sample, int at, REAL w) {
    const int row = SAMPLES * LATTICE;
    const REAL* products = tables_of_axes() + f.fields.now + sample * LATTICE + at + which * PRODUCTS * row;
    const REAL* sines = tables_of_axes() + f.fields.spare + sample * LATTICE + at;
    const REAL *own = which == A ? sines + PRODUCTS * row : sines, *other = which == A ? sines : sines + PRODUCTS * row;
    REAL same = R(n + 1) * R(SHARE) * own[n * row] * own[m * row], others = R(m + 1) / SITES * other[n * row] * other[m * row];
    return fma(products[n * row], own[m * row], which == A ? w * (same + others) : -w * (same + others));
}

// Adds the sums over the modes of each orbit.
DEVICE void add_sums_of_orbits(const Field& f, REAL w, double* into) {
    if (f.mine() == 0) f.reduced()[f.sample()] = (double)w;
    BARRIER();
    for (int task = ME; task < 2 * PAIRS * f.orbits; task += BLOCK) {
        int orbit = task % f.orbits, pair = task / f.orbits % PAIRS, which = task / f.orbits / PAIRS, end = f.table[orbit + 1];
        double sum = 0;
#pragma unroll 1
        for (int member = f.table[orbit]; member < end; member++) {
            int at = f.table[f.orbits + 1 + member];
#pragma unroll 1
            for (int s = 0; s < SAMPLES; s++)
                sum += (double)of_mode(f, which, pair / PRODUCTS, pair % PRODUCTS, s, at, R(f.reduced()[s]));
        }
        into[task] += sum;
    }
    BARRIER();
}

// The other lines of MATH (37), from the modes of a s_n and a c_n in shared memory.
DEVICE void add_sums(const Field& f, int time, const Modes& modes, const Angles& first, const REAL (&a)[OWN], REAL w, double* sums) {
#pragma unroll
    for (int e = 0; e < OWN; e++) {
#pragma unroll (2 * UNROLLED)
        for (int g = 0; g < GROUP; g++)
            if (f.owns(e)) f.beside(g, e) = modes.of[e][g];
    }
    int of_orbits = 2 * PAIRS * f.orbits;
    add_sums_of_all(f, first, a, w, sums + (u64)f.times * of_orbits + time * (2 * PAIRS + f.sines));
    add_sums_of_orbits(f, w, sums + (u64)time * of_orbits);
}

// MATH (36) for VALUE, (37) for PULL: a <- (dv/dP)^T a + w grad div v; with GRADIENT also adds the sums of its other lines.
template <int VALUE, int PULL, int GRADIENT>
DEVICE void evaluate(Field& f, int time, const REAL (&x)[OWN], REAL (&v)[OWN], double& divergence, REAL (&a)[OWN], REAL w, double* sums) {
    const Angles first = angles_of(f, x);
    REAL ones[OWN], out[OWN];
#pragma unroll
    for (int e = 0; e < OWN; e++) ones[e] = 1;
    waves_to_modes(f, first, ones);
    const Modes modes = modes_of(f);
    if (VALUE) divergence = quadratic_form(f, time, modes);
    factors_to_sites(f, time, modes);
    if (VALUE) velocity(f, time, first, v, divergence);
    if (!PULL) return;
    subtract_mean(f, a);
    linear_pulled(f, time, first, a, w, out);
    add_pulled(f, first, a, out);
    waves_to_modes(f, first, a);
    if (GRADIENT) add_sums(f, time, modes, first, a, w, sums);
    cotangents_to_sites(f, time, modes, w);
    add_pulled(f, first, ones, out);
#pragma unroll
    for (int e = 0; e < OWN; e++) a[e] = out[e];
}

// v, and what this thread has of div v.
DEVICE void field_value(Field& f, int time, const REAL (&x)[OWN], REAL (&v)[OWN], double& divergence) {
    REAL none[OWN];
    evaluate<1, 0, 0>(f, time, x, v, divergence, none, R(0), (double*)0);
}

// kappa <- (dv/dP)^T kappa + w grad div v; with GRADIENT also adds the sums for it to `sums`.
template <int GRADIENT>
DEVICE void field_pull(Field& f, int time, const REAL (&x)[OWN], REAL (&kappa)[OWN], REAL w, double* sums) {
    REAL none[OWN];
    double divergence;
    evaluate<0, 1, GRADIENT>(f, time, x, none, divergence, kappa, w, sums);
}

// Both at one x, the waves and their factors computed once.
DEVICE void field_value_with_pull(Field& f, int time, const REAL (&x)[OWN], REAL (&v)[OWN], double& divergence, REAL (&kappa)[OWN], REAL w) {
    evaluate<1, 1, 0>(f, time, x, v, divergence, kappa, w, (double*)0);
}
