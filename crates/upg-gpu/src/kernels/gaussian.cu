// The action and the force of a Gaussian with mean m and precision matrix K = C^-1 (gaussian.rs of upg-targets): x has shape [dim, samples].

// action[s] <- (x - m)^T K (x - m) / 2, force <- -K (x - m) if wanted. Blocks of 32 samples and 8 groups of dimensions.
// limits: 40 registers, 2048 bytes shared
// limits f64: 48 registers, 2048 bytes shared
KERNEL(256) gaussian(const REAL* x, const REAL* mean, const REAL* precision, double* action, REAL* force, int dim, int samples) {
    SHARED(double, shared, 256);
    int s = (int)(blockIdx.x * 32 + threadIdx.x);
    double sum = 0;
#pragma unroll 1
    for (int i = (int)threadIdx.y; i < dim && s < samples; i += 8) {
        REAL term = 0;
        const REAL *of_x = x + s, *of_row = precision + i;
#pragma unroll 2
        for (int j = 0; j < dim; j++, of_x += samples, of_row += dim) term = fma(-of_row[0], of_x[0] - mean[j], term);
        u64 at = (u64)i * samples + s;
        sum -= 0.5 * (double)((x[at] - mean[i]) * term);
        if (force) force[at] = term;
    }
    sum = sum_of_groups(sum, shared);
    if (threadIdx.y == 0 && s < samples) action[s] = sum;
}
