/* Eight schools (Rubin 1981), non-centred, as a target for upg: the effects of coaching in eight schools, y_j with standard errors sigma_j.
 *
 *     y_j ~ N(mu + tau eta_j, sigma_j),   eta_j ~ N(0, 1),   mu ~ N(0, 5),   tau ~ half-Cauchy(scale)
 *
 * x = (mu, log tau, eta_1 ... eta_8). With s = log tau the density of x has the Jacobian tau, so that up to a constant
 *
 *     S = mu^2/50 + log(1 + tau^2/scale^2) - s + sum_j [eta_j^2/2 + r_j^2/2],   r_j = (y_j - mu - tau eta_j)/sigma_j .
 *
 * The options are the scale, by default 5.   cc -O2 -shared -fPIC -I INCLUDE eight_schools.c -o libeight_schools.so -lm */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "upg_target.h"

enum { SCHOOLS = 8, DOF = SCHOOLS + 2 };
static const double Y[SCHOOLS] = {28, 8, -3, 7, -1, 1, 18, 12};
static const double SIGMA[SCHOOLS] = {15, 10, 16, 11, 9, 11, 10, 18};

struct prior {
    double scale;
};

int32_t upg_target_version(void) { return UPG_TARGET_VERSION; }

int64_t upg_target_dof(void *state) {
    (void)state;
    return DOF;
}

int32_t upg_target_create(const char *options, int64_t dof, void **state, char *error, int64_t size) {
    (void)dof;
    char *end = NULL;
    double scale = *options ? strtod(options, &end) : 5.0;
    if ((end && *end) || !(scale > 0.0)) {
        snprintf(error, size, "the scale of tau, a number above 0");
        return -1;
    }
    struct prior *prior = malloc(sizeof *prior);
    if (!prior) return -1;
    prior->scale = scale;
    *state = prior;
    return 0;
}

void upg_target_destroy(void *state) { free(state); }

/* S at x, and -dS/dx if it is wanted. */
static double action_of(const struct prior *prior, const double *x, double *force) {
    const double mu = x[0], s = x[1], *eta = x + 2, tau = exp(s);
    const double q = (tau / prior->scale) * (tau / prior->scale);
    double sum = mu * mu / 50 + log1p(q) - s;
    double d_mu = -mu / 25, d_s = 1 - 2 * q / (1 + q);
    for (int j = 0; j < SCHOOLS; j++) {
        const double r = (Y[j] - mu - tau * eta[j]) / SIGMA[j];
        sum += (eta[j] * eta[j] + r * r) / 2;
        d_mu += r / SIGMA[j];
        d_s += r * tau * eta[j] / SIGMA[j];
        if (force) force[2 + j] = -eta[j] + r * tau / SIGMA[j];
    }
    if (force) {
        force[0] = d_mu;
        force[1] = d_s;
    }
    return sum;
}

int32_t upg_target(void *state, int64_t samples, int64_t dof, const double *x, double *action, double *force, char *error, int64_t size) {
    (void)error, (void)size;
    for (int64_t n = 0; n < samples; n++)
        action[n] = action_of(state, x + n * dof, force ? force + n * dof : NULL);
    return 0;
}
