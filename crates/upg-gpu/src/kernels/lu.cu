// What a linear layer by its LU factors needs beside matrix products, MATH (27) (lu.rs of upg-flows): L, U and their inverses, shape [n, n] each,
// from the rows of the triangles in theta: `lower` and `upper` of n (n - 1)/2 elements, then the n logarithms d.

// L and U, zeros included; U_ii = +-e^d_i, - where negative_i. One thread an element.
// limits: 32 registers, 0 bytes shared
KERNEL(256) lu_fill(const REAL* theta, const int* negative, REAL* lower, REAL* upper, int n) {
    int k = THREAD;
    if (k >= n * n) return;
    int i = k / n, j = k % n, half = n * (n - 1) / 2;
    REAL diagonal = i == j ? exp_of(theta[2 * half + i]) : R(0);
    lower[k] = i == j ? R(1) : j < i ? theta[i * (i - 1) / 2 + j] : R(0);
    upper[k] = i == j ? (negative[i] ? -diagonal : diagonal) : j > i ? theta[half + i * (2 * n - i - 1) / 2 + j - i - 1] : R(0);
}

// log_det <- cells sum_i d_i; one block.
// limits: 32 registers, 2176 bytes shared
KERNEL(256) lu_log_det(const REAL* d, double* log_det, double cells, int n) {
    SHARED(double, shared, 272);
    double sum = 0;
    for (int i = (int)threadIdx.x; i < n; i += 256) sum += (double)d[i];
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) log_det[0] = cells * sum;
}

// inverse <- T^-1, row j by block j: y T = e_j in f64, one element of y after the other, each taken off the rest of the row at once. Of the
// lower T where blockIdx.y = 0, of the upper one else; both pairs lie one behind the other. n doubles of shared memory.
// limits: 40 registers, 0 bytes shared
KERNEL(256) lu_invert(const REAL* triangles, REAL* inverses, int n) {
    DYNAMIC_SHARED(double, rest);
    int j = (int)blockIdx.x, me = (int)threadIdx.x, is_lower = blockIdx.y == 0;
    u64 matrix = (u64)blockIdx.y * n * n;
    const REAL* t = triangles + matrix;
    REAL* out = inverses + matrix + (u64)j * n;
    for (int i = me; i < n; i += 256) rest[i] = i == j ? 1.0 : 0.0;
    BARRIER();
    int last = is_lower ? 0 : n - 1, step = is_lower ? -1 : 1;
    for (int k = j; k != last + step; k += step) {
        double y = rest[k] / (double)t[(u64)k * n + k];
        int from = is_lower ? 0 : k + 1, to = is_lower ? k : n;
        for (int i = from + me; i < to; i += 256) rest[i] = fma(-y, (double)t[(u64)k * n + i], rest[i]);
        BARRIER();
        if (me == 0) out[k] = R(y);
    }
    for (int i = me; i < n; i += 256) {
        if (is_lower ? i > j : i < j) out[i] = 0;
    }
}

// From the dense products a u^T for L and u x^T for U, summed over samples: their triangles, times sign, (+)= to the gradient, and of_d_i (+)=
// sign (U_ii of_U_ii + weight); one thread an element of [n, n].
// limits: 40 registers, 0 bytes shared
KERNEL(256) lu_gradient(const REAL* of_lower, const REAL* of_upper, const REAL* upper, REAL* grad, REAL sign, REAL weight, int add, int n) {
    int k = THREAD;
    if (k >= n * n) return;
    int i = k / n, j = k % n, half = n * (n - 1) / 2;
    REAL term = j < i ? of_lower[k] : i == j ? upper[k] * of_upper[k] + weight : of_upper[k];
    REAL* to = grad + (j < i ? i * (i - 1) / 2 + j : i == j ? 2 * half + i : half + i * (2 * n - i - 1) / 2 + j - i - 1);
    to[0] = sign * term + (add ? to[0] : R(0));
}
