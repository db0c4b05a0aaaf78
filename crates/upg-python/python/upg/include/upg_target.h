/* A target of one's own for upg: a density p(x) proportional to e^{-S(x)}, computed by functions of a shared library.
 *
 *     target: Library(path: "libenergy.so", dof: 10)
 *
 * The functions' names begin with the configuration's `symbol`, by default upg_target. All numbers are double precision, whatever that of the
 * run. A function that returns an error may write a text into `error`: at most `size` bytes, the final 0 among them. No exception may leave a
 * function. */
#ifndef UPG_TARGET_H
#define UPG_TARGET_H
#include <stdint.h>
#ifdef __cplusplus
extern "C" {
#endif

/* The version of this page; what upg_target_version returns. */
#define UPG_TARGET_VERSION 1
int32_t upg_target_version(void);

/* The action S and the force -dS/dx (of log p: the value with its sign changed, and the gradient as it is) of some samples, each depending on its own x alone:
 *     x[n * dof + i], number i of sample n, finite;   action[n] = S(x_n);   force[n * dof + i] = -dS/dx_i (x_n), unless force is NULL.
 * Constants in S matter to log Z alone. An infinite action is a density of 0. Returns 0; or n + 1 if sample n can't be computed; or -1. */
int32_t upg_target(void *state, int64_t samples, int64_t dof, const double *x, double *action, double *force, char *error, int64_t size);

/* Optional: makes the state, which the others are given (else NULL), of the configuration's `options`. Returns 0, or an error. */
int32_t upg_target_create(const char *options, int64_t dof, void **state, char *error, int64_t size);
/* Optional: the end of a state. */
void upg_target_destroy(void *state);
/* Optional: the degrees of freedom there are; the configuration has to have as many. */
int64_t upg_target_dof(void *state);

#ifdef __cplusplus
}
#endif
#endif
