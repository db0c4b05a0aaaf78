// Rows of batches, shape [rows, samples]: what linear layers and permutations share.

// to[i, s] <- from[order_i, s]; one thread an element.
// limits: 32 registers, 0 bytes shared
KERNEL(256) gather_rows(const REAL* from, REAL* to, const int* order, int samples, int count) {
    int k = THREAD;
    if (k < count) to[k] = from[(u64)order[k / samples] * samples + k % samples];
}

// to[i, s] <- from[order_i, s] - bias[channel_i], the channel being that of row i of `to`, `cells` rows each; no bias where that is 0.
// limits: 32 registers, 0 bytes shared
KERNEL(256) gather_rows_without_bias(const REAL* from, REAL* to, const int* order, const REAL* bias, const int* channels, int cells, int samples,
                                     int count) {
    int k = THREAD;
    if (k >= count) return;
    int row = k / samples;
    to[k] = from[(u64)order[row] * samples + k % samples] - (bias ? bias[channels[row / cells]] : R(0));
}

// to[order_i, s] <- from[i, s] + bias[channel_i], as above.
// limits: 32 registers, 0 bytes shared
KERNEL(256) scatter_rows(const REAL* from, REAL* to, const int* order, const REAL* bias, const int* channels, int cells, int samples, int count) {
    int k = THREAD;
    if (k >= count) return;
    int row = k / samples;
    to[(u64)order[row] * samples + k % samples] = from[k] + (bias ? bias[channels[row / cells]] : R(0));
}

// x[i, s] += factor bias_i.
// limits: 32 registers, 0 bytes shared
KERNEL(256) add_bias(REAL* x, const REAL* bias, REAL factor, int samples, int count) {
    int k = THREAD;
    if (k < count) x[k] += factor * bias[k / samples];
}

// into[places_i] (+)= factor sum_s x[i, s], places_i = i where `places` is 0; one block a row.
// limits: 32 registers, 2176 bytes shared
KERNEL(256) sum_rows(const REAL* x, REAL* into, const int* places, REAL factor, int add, int samples) {
    SHARED(double, shared, 272);
    const REAL* row = x + (u64)blockIdx.x * samples;
    double sum = 0;
    for (int s = (int)threadIdx.x; s < samples; s += 256) sum += (double)row[s];
    sum = sum_of_block(sum, shared);
    if (threadIdx.x > 0) return;
    REAL* to = into + (places ? places[blockIdx.x] : (int)blockIdx.x);
    to[0] = factor * R(sum) + (add ? to[0] : R(0));
}

// sums[s] += factor value[0].
// limits: 32 registers, 0 bytes shared
KERNEL(256) add_to_sums(double* sums, const double* value, double factor, int samples) {
    int s = THREAD;
    if (s < samples) sums[s] += factor * value[0];
}
