/* S = sum x^2/2 of numbers, and what may go wrong with it. The options are a letter and, for some, after how many samples it goes wrong. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "upg_target.h"

struct state {
    char kind;
    int64_t left;
};

int32_t upg_target_version(void) { return UPG_TARGET_VERSION; }

int64_t upg_target_dof(void *state) {
    (void)state;
    return 3;
}

int32_t upg_target_create(const char *options, int64_t dof, void **state, char *error, int64_t size) {
    (void)dof;
    struct state *made = malloc(sizeof *made);
    made->kind = *options;
    made->left = *options ? atoll(options + 1) : 0;
    *state = made;
    if (made->kind == 'r') memset(error, 'x', size); /* no final 0 */
    return made->kind == 'r' ? -7 : 0;
}

void upg_target_destroy(void *state) { free(state); }

int32_t upg_target(void *at, int64_t samples, int64_t dof, const double *x, double *action, double *force, char *error, int64_t size) {
    struct state *state = at;
    const char kind = state ? state->kind : 0;
    for (int64_t n = 0; n < samples; n++) {
        action[n] = 0;
        for (int64_t i = 0; i < dof; i++) {
            const double y = x[n * dof + i];
            if (!isfinite(y)) abort();
            action[n] += y * y / 2;
            if (force) force[n * dof + i] = kind == 's' ? y : kind == 'w' && i == 2 ? -1.01 * y : -y;
        }
        if (kind && state->left-- == 0) {
            if (kind == 'e') return snprintf(error, size, "the solver\ndidn't converge"), (int32_t)n + 1;
            if (kind == 'b') return snprintf(error, size, "out of licences"), -1;
            if (kind == 'q') return -3;
            if (kind == 'a') action[n] = NAN;
            if (kind == 'f' && force) force[n * dof + 1] = NAN;
            if (kind == 'f' && !force) state->left = 0;
        }
    }
    return 0;
}

/* One that needs no more than two functions. */
int32_t bare_version(void) { return UPG_TARGET_VERSION; }
int32_t bare(void *state, int64_t samples, int64_t dof, const double *x, double *action, double *force, char *error, int64_t size) {
    return upg_target(state, samples, dof, x, action, force, error, size);
}

/* Independent angles, S = -2 sum cos x. */
int32_t angles_version(void) { return UPG_TARGET_VERSION; }
int32_t angles(void *state, int64_t samples, int64_t dof, const double *x, double *action, double *force, char *error, int64_t size) {
    (void)state, (void)error, (void)size;
    for (int64_t n = 0; n < samples; n++) {
        action[n] = 0;
        for (int64_t i = n * dof; i < (n + 1) * dof; i++) {
            action[n] -= 2 * cos(x[i]);
            if (force) force[i] = -2 * sin(x[i]);
        }
    }
    return 0;
}

/* One of another time. */
int32_t old_version(void) { return UPG_TARGET_VERSION + 4; }
int32_t old(void) { return 0; }

/* One without its version. */
int32_t lone(void) { return 0; }
