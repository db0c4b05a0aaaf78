// What the field of plaquettes makes of theta, and the gradient that its sums amount to (factors.rs of upg-flows); both shapes stand in plaquette_field.cu.

// Sum_j theta_j cos pi j t for a pair and an orbit.
DEVICE double at_time(const REAL* theta, const REAL* basis, int pair, int orbit, int functions, int orbits) {
    double sum = 0;
    for (int j = 0; j < functions; j++) sum += (double)basis[j] * (double)theta[(pair * functions + j) * orbits + orbit];
    return sum;
}

// What C_nm and S_nm, below MATH (36), have of A_nm = a and B_nm = b before n and m are exchanged.
DEVICE double half_of_c(int n, int m, double a, double b, double b_origin) { return n * SHARE * a - m * (b / SITES - b_origin); }
DEVICE double half_of_s(int n, int m, double a, double b, double a_origin) { return m * (a / SITES - a_origin) - n * SHARE * b; }

// A, B, C and S of all orbits, and w; a block for each time and pair.
// limits: 80 registers, 2176 bytes shared
KERNEL(256) plaquette_prepare(const REAL* theta, const REAL* basis, const int* first, REAL* prepared, int times, int functions, int sines, int orbits) {
    SHARED(double, shared, 272);
    int me = (int)threadIdx.x, time = (int)blockIdx.x / PAIRS, pair = (int)blockIdx.x % PAIRS, n = pair / PRODUCTS, m = pair % PRODUCTS, turned = m * PRODUCTS + n;
    const REAL *a = theta + sines * functions, *b = a + PAIRS * functions * orbits;
    REAL *into = prepared + (u64)(time * MATRICES * PAIRS + pair) * orbits, *linear = prepared + (u64)times * MATRICES * PAIRS * orbits + time * sines;
    basis += time * functions;
    double origins[4] = {};
    for (int o = me; o < orbits; o += 256) {
        double members = first[o + 1] - first[o];
        for (int i = 0; i < 4; i++) origins[i] += members / SITES * at_time(i % 2 == 0 ? a : b, basis, i < 2 ? pair : turned, o, functions, orbits);
    }
    for (int i = 0; i < 4; i++) origins[i] = sum_of_block(origins[i], shared);
    for (int o = me; o < orbits; o += 256) {
        double of_a[2], of_b[2];
        for (int i = 0; i < 2; i++) {
            of_a[i] = at_time(a, basis, i == 0 ? pair : turned, o, functions, orbits);
            of_b[i] = at_time(b, basis, i == 0 ? pair : turned, o, functions, orbits);
        }
        u64 matrix = (u64)PAIRS * orbits;
        into[A * matrix + o] = R(of_a[0]);
        into[B * matrix + o] = R(of_b[0]);
        into[C * matrix + o] = R(half_of_c(n + 1, m + 1, of_a[0], of_b[0], origins[1]) + half_of_c(m + 1, n + 1, of_a[1], of_b[1], origins[3]));
        into[S * matrix + o] = R(half_of_s(n + 1, m + 1, of_a[0], of_b[0], origins[0]) + half_of_s(m + 1, n + 1, of_a[1], of_b[1], origins[2]));
    }
    for (int k = me; k < sines && pair == 0; k += 256) linear[k] = R(at_time(theta, basis, k, 0, functions, 1));
}

// The gradient, (+)= the sums taken through Sum_j theta_j cos pi j t, and for A and B what all modes have in common; one thread a parameter.
// limits: 64 registers, 0 bytes shared
KERNEL(256) plaquette_gradient(const double* sums, const REAL* basis, const int* first, REAL* grad, int add, int times, int functions, int sines, int orbits) {
    int p = THREAD, q = p - sines * functions, of_kernel = PAIRS * functions * orbits;
    if (q >= 2 * of_kernel) return;
    int of_orbits = 2 * PAIRS * orbits, of_all = 2 * PAIRS + sines, j = q < 0 ? p % functions : q / orbits % functions;
    const double* all = sums + (u64)times * of_orbits;
    double sum = 0;
    if (q < 0) {
        for (int t = 0; t < times; t++) sum += (double)basis[t * functions + j] * all[t * of_all + 2 * PAIRS + p / functions];
    } else {
        int which = q / of_kernel, pair = q % of_kernel / (functions * orbits), orbit = q % orbits, of_pair = which * PAIRS + pair;
        double common = (pair % PRODUCTS + 1) * (double)(first[orbit + 1] - first[orbit]) / SITES * (which == A ? -1 : 1);
        for (int t = 0; t < times; t++) {
            double own = sums[(u64)t * of_orbits + of_pair * orbits + orbit];
            sum += (double)basis[t * functions + j] * (own + common * all[t * of_all + of_pair]);
        }
    }
    grad[p] = R(sum) + (add ? grad[p] : R(0));
}
