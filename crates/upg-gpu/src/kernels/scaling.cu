// Global scaling, y = x e^sigma (scaling.rs of upg-flows): x has shape [dof, samples], sigma one element or dof.

// factors[i] <- e^(slope sigma_i), factors[scales + i] <- e^(-slope sigma_i), log_det <- repeated slope sum_i sigma_i; one block.
// limits: 64 registers, 2176 bytes shared
KERNEL(256) scaling_prepare(const REAL* sigma, REAL* factors, double* log_det, REAL slope, double repeated, int scales) {
    SHARED(double, shared, 272);
    double sum = 0;
    for (int i = (int)threadIdx.x; i < scales; i += 256) {
        REAL log = slope * sigma[i];
        factors[i] = exp_of(log);
        factors[scales + i] = exp_of(-log);
        sum += (double)log;
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) log_det[0] = repeated * sum;
}

// x_i <- factor_i x_i; one thread an element.
// limits: 32 registers, 0 bytes shared
KERNEL(256) scaling_multiply(REAL* x, const REAL* factors, int scales, int samples, int count) {
    int i = THREAD;
    if (i < count) x[i] *= factors[scales == 1 ? 0 : i / samples];
}

// sums[s] += value[0].
// limits: 32 registers, 0 bytes shared
KERNEL(256) scaling_log_det(double* sums, const double* value, int samples) {
    int s = THREAD;
    if (s < samples) sums[s] += value[0];
}

// parts[i] <- sum_s (a_is y_is + w); one block a row.
// limits: 40 registers, 2176 bytes shared
KERNEL(256) scaling_terms(const REAL* a, const REAL* y, double w, double* parts, int samples) {
    SHARED(double, shared, 272);
    const REAL* of_a = a + (u64)blockIdx.x * samples;
    const REAL* of_y = y + (u64)blockIdx.x * samples;
    double sum = 0;
    for (int s = (int)threadIdx.x; s < samples; s += 256) sum += (double)of_a[s] * (double)of_y[s] + w;
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// The gradient, from the parts of all rows: (+)= factor sum; with one scale by one thread, else one thread each.
// limits: 32 registers, 0 bytes shared
KERNEL(256) scaling_gradient(const double* parts, REAL* grad, REAL factor, int add, int scales, int dof) {
    int i = THREAD;
    if (i >= scales) return;
    double sum = parts[i];
    if (scales == 1) {
        for (int row = 1; row < dof; row++) sum += parts[row];
    }
    grad[i] = factor * R(sum) + (add ? grad[i] : R(0));
}
