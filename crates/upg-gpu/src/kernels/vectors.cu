// Arithmetic with whole batches, buffers and sums (the trait Vectors of upg-core), and the optimiser's step.
//
// One thread does one element, but for `square_parts` and `dot_parts`: there each thread adds up every (256 * blocks)-th product in f64, a block
// its threads, and `sum_parts` the blocks. The number of blocks follows from the length alone, so sums repeat to the bit.

// y <- alpha x + beta y, n elements.
// limits: 32 registers, 0 bytes shared
KERNEL(256) axpby(const REAL* x, REAL* y, REAL alpha, REAL beta, int n) {
    int i = THREAD;
    if (i < n) y[i] = alpha * x[i] + beta * y[i];
}

// y <- alpha y, n elements.
// limits: 32 registers, 0 bytes shared
KERNEL(256) scale(REAL* y, REAL alpha, int n) {
    int i = THREAD;
    if (i < n) y[i] = alpha * y[i];
}

// y <- factor y, multiplied in double and rounded, n elements.
// limits: 32 registers, 0 bytes shared
KERNEL(256) scale_rounded(REAL* y, double factor, int n) {
    int i = THREAD;
    if (i < n) y[i] = (REAL)(factor * (double)y[i]);
}

// sum <- the sum of the rows, in their order: `rows` of n elements, one after the other.
// limits: 32 registers, 0 bytes shared
KERNEL(256) sum_rows(const REAL* all, REAL* sum, int rows, int n) {
    int i = THREAD;
    if (i >= n) return;
    REAL total = all[i];
    for (int row = 1; row < rows; row++) total += all[(unsigned long long)row * n + i];
    sum[i] = total;
}

// x <- value, n elements.
// limits: 32 registers, 0 bytes shared
KERNEL(256) fill(REAL* x, REAL value, int n) {
    int i = THREAD;
    if (i < n) x[i] = value;
}

// sums <- value, one double a sample.
// limits: 32 registers, 0 bytes shared
KERNEL(256) fill_sums(double* sums, double value, int n) {
    int i = THREAD;
    if (i < n) sums[i] = value;
}

// sums <- -sums.
// limits: 32 registers, 0 bytes shared
KERNEL(256) negate_sums(double* sums, int n) {
    int i = THREAD;
    if (i < n) sums[i] = -sums[i];
}

// to <- the transpose of from, which has `rows` rows of `columns` elements. A block of 32 x 8 threads does a tile of 32 x 32, by way of shared
// memory: so rows are both read and written in one piece. The odd width keeps its columns in different banks. Tiles are counted along the columns first.
// limits: 32 registers, 4224 bytes shared
// limits f64: 32 registers, 8448 bytes shared
KERNEL(256) transpose(const REAL* from, REAL* to, int rows, int columns) {
    SHARED(REAL, tile, 32 * 33);
    int across = (int)threadIdx.x, down = (int)threadIdx.y;
    int across_tiles = (columns + 31) / 32;
    int first_row = 32 * ((int)blockIdx.x / across_tiles), first_column = 32 * ((int)blockIdx.x % across_tiles);
    for (int k = down; k < 32; k += 8) {
        int row = first_row + k, column = first_column + across;
        if (row < rows && column < columns) tile[33 * k + across] = from[row * columns + column];
    }
    BARRIER();
    for (int k = down; k < 32; k += 8) {
        int row = first_row + across, column = first_column + k;
        if (row < rows && column < columns) to[column * rows + row] = tile[33 * across + k];
    }
}

// parts[block] <- the block's share of <x, y>, n elements; 256 threads a block.
// limits: 40 registers, 2176 bytes shared
KERNEL(256) dot_parts(const REAL* x, const REAL* y, double* parts, int n) {
    SHARED(double, shared, 272);
    double sum = 0;
    for (int i = THREAD; i < n; i += THREADS) sum = fma((double)x[i], (double)y[i], sum);
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}

// result <- the sum of the parts; one block of 256 threads.
// limits: 40 registers, 2176 bytes shared
KERNEL(256) sum_parts(const double* parts, double* result, int count) {
    SHARED(double, shared, 272);
    double sum = 0;
    for (int i = (int)threadIdx.x; i < count; i += 256) sum += parts[i];
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) result[0] = sum;
}

// The factor on the gradient: less than 1 where its norm, the root of `square`, is beyond `clip`. No update where the norm isn't finite.
DEVICE bool factor_of(const double* square, double clip, REAL* factor) {
    double norm = sqrt(square[0]);
    *factor = R(norm <= clip ? 1.0 : clip / norm);
    return norm - norm == 0.0;
}

// theta <- theta - change, and the moving average follows, where there is one: average <- average + share (theta - average).
DEVICE void change_by(REAL* theta, REAL change, REAL* average, REAL share, int i) {
    REAL moved = theta[i] - change;
    theta[i] = moved;
    if (average != 0) average[i] = fma(share, moved - average[i], average[i]);
}

// Adam and AdamW with the corrections of the bias in `step` and `epsilon` (optimise.rs of upg-core), n parameters; <grad, grad> in `square`.
// limits: 40 registers, 0 bytes shared
KERNEL(256) adam(REAL* theta, const REAL* grad, REAL* m, REAL* v, REAL* average, const double* square, double clip, REAL beta1,
                 REAL beta2, REAL step, REAL epsilon, REAL decay, REAL share, int n) {
    int i = THREAD;
    REAL factor;
    if (i >= n || !factor_of(square, clip, &factor)) return;
    REAL g = factor * grad[i];
    REAL new_m = fma(beta1, m[i], (R(1) - beta1) * g);
    REAL new_v = fma(beta2, v[i], (R(1) - beta2) * g * g);
    m[i] = new_m;
    v[i] = new_v;
    REAL direction = new_m / (sqrt(new_v) + epsilon);
    change_by(theta, fma(decay, theta[i], step * direction), average, share, i);
}

// Gradient descent with momentum.
// limits: 40 registers, 0 bytes shared
KERNEL(256) momentum(REAL* theta, const REAL* grad, REAL* u, REAL* average, const double* square, double clip, REAL kept, REAL rate,
                     REAL share, int n) {
    int i = THREAD;
    REAL factor;
    if (i >= n || !factor_of(square, clip, &factor)) return;
    REAL moment = fma(kept, u[i], factor * grad[i]);
    u[i] = moment;
    change_by(theta, rate * moment, average, share, i);
}

// Gradient descent.
// limits: 40 registers, 0 bytes shared
KERNEL(256) descent(REAL* theta, const REAL* grad, REAL* average, const double* square, double clip, REAL rate, REAL share, int n) {
    int i = THREAD;
    REAL factor;
    if (i >= n || !factor_of(square, clip, &factor)) return;
    change_by(theta, rate * (factor * grad[i]), average, share, i);
}
