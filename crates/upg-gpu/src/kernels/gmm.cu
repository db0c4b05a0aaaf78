// The action and the force of the Gaussian mixture 1/2 N(-1, 1/2) + 1/2 N(1, 1/2) in every dimension (gmm.rs of upg-targets): x has shape
// [dim, samples].

// action[s] <- constant + sum_i [(|x_i| - 1)^2 - log(1 + e_i)], e_i = e^(-4 |x_i|), and force_i <- 2 (tanh 2 x_i - x_i) if wanted. Blocks of 32
// samples and 8 groups of dimensions.
// limits: 40 registers, 2048 bytes shared
// limits f64: 48 registers, 2048 bytes shared
KERNEL(256) gmm(const REAL* x, double* action, REAL* force, double constant, int dim, int samples) {
    SHARED(double, shared, 256);
    int s = (int)(blockIdx.x * 32 + threadIdx.x);
    double sum = 0;
    for (int i = (int)threadIdx.y; i < dim && s < samples; i += 8) {
        u64 at = (u64)i * samples + s;
        REAL size = fabs(x[at]), e = exp_of(R(-4) * size), beyond = size - R(1);
        sum += (double)fma(beyond, beyond, -ln_1p_unit(e));
        REAL outward = ((R(1) - e) / (R(1) + e) - size) * R(2);
        if (force) force[at] = x[at] < R(0) ? -outward : outward;
    }
    sum = sum_of_groups(sum, shared);
    if (threadIdx.y == 0 && s < samples) action[s] = constant + sum;
}
