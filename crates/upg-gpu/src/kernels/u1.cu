// The action and the force of U(1) gauge theory in two dimensions (u1.rs of upg-targets): links have shape [2, rows, columns, samples], plaquettes
// P(x) = u_0(x) + u_1(x + e_0) - u_0(x + e_1) - u_1(x).

// P(i, j) of the sample to whose first link `u` points.
DEVICE REAL plaquette(const REAL* u, int i, int j, int rows, int columns, int samples) {
    int volume = rows * columns, down = i + 1 == rows ? 0 : i + 1, right = j + 1 == columns ? 0 : j + 1;
    REAL a = u[(u64)(i * columns + j) * samples], b = u[(u64)(volume + down * columns + j) * samples];
    REAL c = u[(u64)(i * columns + right) * samples], d = u[(u64)(volume + i * columns + j) * samples];
    return (a - d) + (b - c);
}

// action[s] <- -beta sum_x cos P(x), and the force if wanted: -beta [sin P(x) - sin P(x - e_1)] on u_0(x), beta [sin P(x) - sin P(x - e_0)] on
// u_1(x). Blocks of 32 samples and 8 groups of rows of the lattice; a thread goes along a row and keeps the sine of the plaquette before.
// limits: 48 registers, 2048 bytes shared
// limits f64: 64 registers, 2048 bytes shared
KERNEL(256) u1(const REAL* links, double* action, REAL* force, double beta, int rows, int columns, int samples) {
    SHARED(double, shared, 256);
    int s = (int)(blockIdx.x * 32 + threadIdx.x), volume = rows * columns;
    const REAL* u = links + s;
    double sum = 0;
    for (int i = (int)threadIdx.y; i < rows && s < samples; i += 8) {
        REAL sine, before, above, cosine, unused;
        if (force) sin_cos_of(plaquette(u, i, columns - 1, rows, columns, samples), before, unused);
        for (int j = 0; j < columns; j++) {
            sin_cos_of(plaquette(u, i, j, rows, columns, samples), sine, cosine);
            sum -= beta * (double)cosine;
            if (!force) continue;
            sin_cos_of(plaquette(u, i == 0 ? rows - 1 : i - 1, j, rows, columns, samples), above, unused);
            u64 at = (u64)(i * columns + j) * samples + s;
            force[at] = R(beta) * before - R(beta) * sine;
            force[at + (u64)volume * samples] = R(beta) * sine - R(beta) * above;
            before = sine;
        }
    }
    sum = sum_of_groups(sum, shared);
    if (threadIdx.y == 0 && s < samples) action[s] = sum;
}
