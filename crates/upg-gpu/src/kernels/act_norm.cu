// ActNorm, y_i = x_i e^sigma_i + b_i (act_norm.rs of upg-flows): x and y have shape [dof, samples].

// factor_i <- e^sigma_i, reciprocal_i <- e^-sigma_i, log_det <- sum_i sigma_i; one block.
// limits: 40 registers, 2176 bytes shared
KERNEL(256) act_norm_prepare(const REAL* sigma, REAL* factor, REAL* reciprocal, double* log_det, int dof) {
    SHARED(double, shared, 272);
    double sum = 0;
    for (int i = (int)threadIdx.x; i < dof; i += 256) {
        factor[i] = exp_of(sigma[i]);
        reciprocal[i] = exp_of(-sigma[i]);
        sum += (double)sigma[i];
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) log_det[0] = sum;
}

// x <- y = x factor + shift, and x as it was to `kept` if that isn't 0; one thread an element. sums[s] += log_det by those of the first row.
// limits: 32 registers, 0 bytes shared
KERNEL(256) act_norm_map(REAL* x, REAL* kept, const REAL* factor, const REAL* shift, double* sums, const double* log_det, int samples,
                          int count) {
    int k = THREAD;
    if (k >= count) return;
    int i = k / samples;
    REAL value = x[k];
    if (kept) kept[k] = value;
    x[k] = fma(value, factor[i], shift[i]);
    if (k < samples) sums[k] += log_det[0];
}

// y <- x = (y - shift) reciprocal, and x to `kept` if that isn't 0; sums[s] -= log_det.
// limits: 32 registers, 0 bytes shared
KERNEL(256) act_norm_invert(REAL* y, REAL* kept, const REAL* reciprocal, const REAL* shift, double* sums, const double* log_det, int samples,
                             int count) {
    int k = THREAD;
    if (k >= count) return;
    int i = k / samples;
    REAL value = (y[k] - shift[i]) * reciprocal[i];
    y[k] = value;
    if (kept) kept[k] = value;
    if (k < samples) sums[k] -= log_det[0];
}

// a_i <- a_i factor_i and, for a cotangent at y, of_sigma_i (+)= sign (e^sigma_i sum_s a_is x_is + w samples), of_b_i (+)= sign sum_s a_is, if they
// aren't 0; the cotangent at y is a after the product where `after`, before it otherwise. One block a row.
// limits: 40 registers, 2176 bytes shared
KERNEL(256) act_norm_carry(REAL* a, const REAL* x, const REAL* factor, const REAL* scale, double sign, double w, int after, REAL* of_sigma,
                           REAL* of_b, int add, int samples) {
    SHARED(double, shared, 272);
    int i = (int)blockIdx.x;
    u64 row = (u64)i * samples;
    double with_x = 0, alone = 0;
    for (int s = (int)threadIdx.x; s < samples; s += 256) {
        REAL before = a[row + s], product = before * factor[i];
        double at_y = (double)(after ? product : before);
        a[row + s] = product;
        if (of_sigma) with_x = fma(at_y, (double)x[row + s], with_x);
        alone += at_y;
    }
    if (!of_sigma) return;
    with_x = sum_of_block(with_x, shared);
    alone = sum_of_block(alone, shared);
    if (threadIdx.x > 0) return;
    of_sigma[i] = R(sign * ((double)scale[i] * with_x + w * (double)samples)) + (add ? of_sigma[i] : R(0));
    of_b[i] = R(sign * alone) + (add ? of_b[i] : R(0));
}

// moments[i] <- the mean of row i, moments[rows + i] <- its variance; one block a row.
// limits: 40 registers, 2176 bytes shared
KERNEL(256) act_norm_moments(const REAL* x, double* moments, int rows, int samples) {
    SHARED(double, shared, 272);
    const REAL* row = x + (u64)blockIdx.x * samples;
    double sum = 0, squares = 0;
    for (int s = (int)threadIdx.x; s < samples; s += 256) sum += (double)row[s];
    double mean = sum_of_block(sum, shared) / (double)samples;
    for (int s = (int)threadIdx.x; s < samples; s += 256) squares += ((double)row[s] - mean) * ((double)row[s] - mean);
    squares = sum_of_block(squares, shared);
    if (threadIdx.x > 0) return;
    moments[blockIdx.x] = mean;
    moments[rows + blockIdx.x] = squares / (double)samples;
}
