// What a product of reflections needs beside matrix products, MATH (28) (householder.rs of upg-flows): K reflections.

// out <- -A^-1, shape [K, K], from the lower triangle A of gram = V V^T, its diagonal halved, in f64; one thread a column.
// limits: 40 registers, 0 bytes shared
KERNEL(256) householder_invert(const REAL* gram, REAL* out, int k) {
    int j = THREAD;
    if (j >= k) return;
    for (int i = 0; i < j; i++) out[i * k + j] = 0;
    for (int i = j; i < k; i++) {
        double known = i == j ? 1.0 : 0.0;
        for (int m = j; m < i; m++) known += (double)gram[i * k + m] * (double)out[m * k + j];
        out[i * k + j] = R(-known / (0.5 * (double)gram[i * k + i]));
    }
}

// The upper triangle becomes the mirror image of the lower one; one thread an element of [K, K].
// limits: 32 registers, 0 bytes shared
KERNEL(256) householder_mirror(REAL* mixed, int k) {
    int at = THREAD, i = at / k, j = at % k;
    if (at < k * k && j > i) mixed[at] = mixed[j * k + i];
}

// x <- -x.
// limits: 32 registers, 0 bytes shared
KERNEL(256) householder_negate(REAL* x, int count) {
    int k = THREAD;
    if (k < count) x[k] = -x[k];
}
