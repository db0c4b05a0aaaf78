// The action and the force of phi^4 theory on a periodic lattice (phi4.rs of upg-targets): x has shape [sites, samples].

// action[s] <- sum_x phi (l + c), force_x <- -2 (l + 2 c) if wanted, with l = a phi - kappa (sum of the neighbours), c = lambda phi^3. The `degree`
// neighbours of every site are in `neighbours`. Blocks of 32 samples and 8 groups of sites.
// limits: 40 registers, 2048 bytes shared
KERNEL(256) phi4(const REAL* x, const int* neighbours, double* action, REAL* force, REAL kappa, REAL quadratic, REAL lambda, int degree, int sites,
                 int samples) {
    SHARED(double, shared, 256);
    int s = (int)(blockIdx.x * 32 + threadIdx.x);
    double sum = 0;
#pragma unroll 2
    for (int site = (int)threadIdx.y; site < sites && s < samples; site += 8) {
        u64 at = (u64)site * samples + s;
        REAL around = 0, phi = x[at];
        for (int k = 0; k < degree; k++) around += x[(u64)neighbours[site * degree + k] * samples + s];
        REAL linear = fma(quadratic, phi, -kappa * around), cubic = lambda * phi * phi * phi;
        sum += (double)(phi * (linear + cubic));
        if (force) force[at] = -(linear + cubic + cubic) * R(2);
    }
    sum = sum_of_groups(sum, shared);
    if (threadIdx.y == 0 && s < samples) action[s] = sum;
}
