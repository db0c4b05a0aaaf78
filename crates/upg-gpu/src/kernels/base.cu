// Normal densities, a mean and a scale for each degree of freedom (bases/diagonal.rs of upg-flows), and the standard normal: z has shape
// [dof, samples], with e_i = (z_i - mu_i) e^-sigma_i.

// scale_i <- e^sigma_i, reciprocal_i <- e^-sigma_i, at_mean <- constant - sum_i sigma_i; one block.
// limits: 40 registers, 2176 bytes shared
KERNEL(256) diagonal_prepare(const REAL* sigma, REAL* scale, REAL* reciprocal, double* at_mean, double constant, int dof) {
    SHARED(double, shared, 272);
    double sum = 0;
    for (int i = (int)threadIdx.x; i < dof; i += 256) {
        scale[i] = exp_of(sigma[i]);
        reciprocal[i] = exp_of(-sigma[i]);
        sum += (double)sigma[i];
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) at_mean[0] = constant - sum;
}

// log_density[s] <- (at_mean[0], or the constant where that is 0) - sum_i e_is^2 / 2, and score_is <- -e_is e^-sigma_i if wanted; without a
// `mean` e = z. Blocks of 32 samples and 8 groups of rows.
// limits: 40 registers, 2048 bytes shared
KERNEL(256) normal_density(const REAL* z, const REAL* mean, const REAL* reciprocal, const double* at_mean, double constant, double* log_density,
                           REAL* score, int dof, int samples) {
    SHARED(double, shared, 256);
    int s = (int)(blockIdx.x * 32 + threadIdx.x);
    double sum = 0;
    for (int i = (int)threadIdx.y; i < dof && s < samples; i += 8) {
        u64 at = (u64)i * samples + s;
        REAL from_mean = mean ? z[at] - mean[i] : z[at], factor = mean ? reciprocal[i] : R(1);
        REAL e = from_mean * factor;
        sum = fma((double)e, (double)e, sum);
        if (score) score[at] = -from_mean * factor * factor;
    }
    sum = sum_of_groups(sum, shared);
    if (threadIdx.y == 0 && s < samples) log_density[s] = (at_mean ? at_mean[0] : constant) - 0.5 * sum;
}

// MATH (18): of_sigma_i (+)= sum_s [a_is (z_is - mu_i) + w (e_is^2 - 1)], of_mu_i (+)= sum_s [a_is + w e_is e^-sigma_i], a being 0 where there is no
// cotangent; one block a row.
// limits: 48 registers, 2176 bytes shared
KERNEL(256) diagonal_pull_back(const REAL* z, const REAL* a, const REAL* mean, const REAL* reciprocal, double w, REAL* of_sigma, REAL* of_mu, int add,
                               int samples) {
    SHARED(double, shared, 272);
    int i = (int)blockIdx.x;
    u64 row = (u64)i * samples;
    double factor = (double)reciprocal[i], with_z = 0, alone = 0;
    for (int s = (int)threadIdx.x; s < samples; s += 256) {
        REAL from_mean = z[row + s] - mean[i];
        double e = (double)(from_mean * reciprocal[i]), cotangent = a ? (double)a[row + s] : 0.0;
        with_z += cotangent * (double)from_mean + w * (e * e - 1.0);
        alone += cotangent + w * e * factor;
    }
    with_z = sum_of_block(with_z, shared);
    alone = sum_of_block(alone, shared);
    if (threadIdx.x > 0) return;
    of_sigma[i] = R(with_z) + (add ? of_sigma[i] : R(0));
    of_mu[i] = R(alone) + (add ? of_mu[i] : R(0));
}
