// Rows that a mask names: x and covectors have shape [dof, samples], and row i of n is row rows[i] of them.

// to_i <- x_rows[i]; one thread an element.
// limits: 32 registers, 0 bytes shared
KERNEL(256) rows_gather(const REAL* x, const int* rows, REAL* to, int n, int samples) {
    int e = THREAD, i = e / samples;
    if (i < n) to[e] = x[rows[i] * samples + (e - i * samples)];
}

// x_rows[i] += by (from_i + bias[i]), one of the two none where its pointer is null; one thread an element.
// limits: 32 registers, 0 bytes shared
KERNEL(256) rows_add(REAL* x, const int* rows, const REAL* from, const REAL* bias, REAL by, int n, int samples) {
    int e = THREAD, i = e / samples;
    if (i >= n) return;
    REAL sum = (from ? from[e] : R(0)) + (bias ? bias[i] : R(0));
    REAL* to = x + rows[i] * samples + (e - i * samples);
    *to = fma(by, sum, *to);
}

// features <- the cosines of x_rows, then their sines, [2 n, samples], MATH (24); one thread an angle.
// limits: 40 registers, 0 bytes shared
KERNEL(256) rows_features(const REAL* x, const int* rows, REAL* features, int n, int samples) {
    int e = THREAD, i = e / samples;
    if (i < n) sin_cos_of(x[rows[i] * samples + (e - i * samples)], features[n * samples + e], features[e]);
}

// a_rows[i] += the cotangents of the features, pulled back to the angles: -sin of that of the cosine, cos of that of the sine; one thread an angle.
// limits: 32 registers, 0 bytes shared
KERNEL(256) rows_features_pull(REAL* a, const int* rows, const REAL* features, const REAL* v, int n, int samples) {
    int e = THREAD, i = e / samples;
    if (i >= n) return;
    int sine = n * samples + e;
    a[rows[i] * samples + (e - i * samples)] += v[sine] * features[e] - v[e] * features[sine];
}
