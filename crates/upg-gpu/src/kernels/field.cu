// Gaussian fields mode by mode, MATH (19) and (20) (bases/modes.rs of upg-flows, whose symbols these are): w and alpha, the modes of a field and of
// a cotangent, have shape [modes, samples]. m = root v with v a parameter, or 0 where there is none; precision_r = 1/C_r.

DEVICE double shift_of(const REAL* v, double root) { return v ? root * (double)v[0] : 0.0; }

// amplitude_r <- e^sigma_o(r), precision_r <- e^(-2 sigma_o(r)), norm <- constant - sum_r sigma_o(r); one block.
// limits: 40 registers, 2176 bytes shared
KERNEL(256) field_prepare(const REAL* sigma, const int* orbit_of_mode, REAL* amplitude, REAL* precision, double* norm, double constant, int modes) {
    SHARED(double, shared, 272);
    double sum = 0;
    for (int r = (int)threadIdx.x; r < modes; r += 256) {
        REAL of_orbit = sigma[orbit_of_mode[r]];
        amplitude[r] = exp_of(of_orbit);
        precision[r] = exp_of(R(-2) * of_orbit);
        sum += (double)of_orbit;
    }
    sum = sum_of_block(sum, shared);
    if (threadIdx.x == 0) norm[0] = constant - sum;
}

// w_0s += signs[s] m; one thread a sample.
// limits: 32 registers, 0 bytes shared
KERNEL(256) field_shift(REAL* w, const REAL* signs, const REAL* v, double root, int samples) {
    int s = THREAD;
    if (s < samples) w[s] += R((double)signs[s] * shift_of(v, root));
}

// log_density[s] <- log q0, and w <- its scores in the modes; blocks of 32 samples and 8 groups of modes.
// limits: 40 registers, 2048 bytes shared
KERNEL(256) field_density(REAL* w, const REAL* precision, const double* norm, const REAL* v, double root, double* log_density, int modes,
                           int samples) {
    SHARED(double, shared, 256);
    int s = (int)(blockIdx.x * 32 + threadIdx.x);
    double sum = 0;
    for (int r = (int)threadIdx.y; r < modes && s < samples; r += 8) {
        u64 at = (u64)r * samples + s;
        double amplitude = (double)w[at], inverse = (double)precision[r];
        if (r > 0) {
            sum -= 0.5 * amplitude * inverse * amplitude;
            w[at] = -w[at] * precision[r];
        } else {
            double m = shift_of(v, root), u = m * inverse * amplitude, offset = fabs(amplitude) - fabs(m);
            double both = (double)ln_1p_unit(exp_of(R(-2.0 * fabs(u))));
            sum += both - 0.6931471805599453 - 0.5 * inverse * offset * offset;
            w[at] = R(-inverse * (amplitude - m * (double)tanh_of(R(u))));
        }
    }
    sum = sum_of_groups(sum, shared);
    if (threadIdx.y == 0 && s < samples) log_density[s] = norm[0] + sum;
}

// of_mode_r <- sum_s [alpha_r w_r + weight w_r^2/C_r] for r > 0, and the sums of the constant mode, but for -weight: of sigma in of_mode_0, of m in
// of_mode[modes]; alpha is 0 where there is no cotangent. One block a mode.
// limits: 48 registers, 2176 bytes shared
KERNEL(256) field_terms(const REAL* w, const REAL* alpha, const REAL* precision, const REAL* v, double root, double weight, double* of_mode,
                        int modes, int samples) {
    SHARED(double, shared, 272);
    int r = (int)blockIdx.x;
    u64 row = (u64)r * samples;
    double inverse = (double)precision[r], m = shift_of(v, root), of_sigma = 0, of_shift = 0;
    for (int s = (int)threadIdx.x; s < samples; s += 256) {
        double amplitude = (double)w[row + s], a = alpha ? (double)alpha[row + s] : 0.0;
        if (r > 0) {
            of_sigma += amplitude * (a + weight * inverse * amplitude);
        } else {
            double t = (double)tanh_of(R(m * inverse * amplitude)), offset = amplitude - m * t;
            of_sigma += a * offset + weight * inverse * (offset * offset + m * m * (1.0 - t) * (1.0 + t));
            of_shift += a * t + weight * inverse * (amplitude * t - m);
        }
    }
    of_sigma = sum_of_block(of_sigma, shared);
    if (r == 0) of_shift = sum_of_block(of_shift, shared);
    if (threadIdx.x > 0) return;
    of_mode[r] = of_sigma;
    if (r == 0) of_mode[modes] = of_shift;
}

// grad_o (+)= sum of of_mode over the modes of orbit o, minus `constant` for each, and grad of v (+)= root of_mode[modes] where there is a v. The
// modes of orbit o are members[first[o]] to members[first[o + 1] - 1]; one thread an orbit.
// limits: 32 registers, 0 bytes shared
KERNEL(256) field_gradient(const double* of_mode, const int* first, const int* members, double constant, double root, int has_shift, REAL* grad,
                           int add, int orbits, int modes) {
    int o = THREAD;
    if (o >= orbits + has_shift) return;
    double sum = 0;
    if (o < orbits) {
        for (int k = first[o]; k < first[o + 1]; k++) sum += of_mode[members[k]] - constant;
    } else {
        sum = root * of_mode[modes];
    }
    grad[o] = R(sum) + (add ? grad[o] : R(0));
}
