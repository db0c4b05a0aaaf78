"""Statistics of log-weights and of Markov chains, by the code of ``upg evaluate``, on plain arrays.

Log-weights are log w = -S(x) - log q(x) of independent samples x of q, up to a constant that all of them share. -inf is a weight of zero; with a NaN
or +inf among them there are no estimates. What can't be computed is NaN, never 0.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import _upg
from .errors import ArgumentError
from .notation import whole
from .numbers import real64

__all__ = ["Autocorrelation", "LogZ", "autocorrelation", "ess", "integrated_time", "log_z", "metropolis", "psis"]


class LogZ(NamedTuple):
    """An estimate of log Z, and whether to believe it."""

    value: float
    """log mean w, moved by what the skewness of the weights says: value ± error holds log Z with a probability of 68.3 %."""
    error: float
    """Its standard error."""
    trusted: bool
    """Whether nothing speaks against it."""
    warnings: list[str]
    """All that speaks against it, in the words of ``upg evaluate``."""


class Autocorrelation(NamedTuple):
    """The result of the Γ method; times are in steps of the series."""

    tau: float
    """The integrated autocorrelation time: 1/2 for independent values. The series is worth N/(2 tau) of them."""
    tau_error: float
    mean: float
    mean_error: float
    """Standard error of the mean, autocorrelation included."""
    variance: float
    """Of a single value."""
    window: int
    """The last lag that is summed."""
    rho: npt.NDArray[np.float64]
    """The normalised autocorrelation by lag, from 0 on."""


def psis(log_weights: npt.ArrayLike) -> tuple[npt.NDArray[np.float64], float]:
    """Pareto-smoothed log-weights, shape ``[n]``, and the tail index k.

    The largest min(n/5, 3 sqrt(n)) weights are replaced by quantiles of the Pareto distribution that fits them (Vehtari et al., J. Mach. Learn. Res. 25
    (2024) 72), none above the largest; scale and order stay. k is what ``upg evaluate`` calls ``tail_index``: above 0.7 estimates are of no use.
    NaN, and the weights as they were, where there is no tail: too few weights, or all alike.
    """
    smoothed, index = _upg.psis(_series("log_weights", log_weights))
    return smoothed, _number(index)


def ess(log_weights: npt.ArrayLike) -> float:
    """The effective sample size over the number of samples, mean(w)^2/mean(w^2), in (0, 1]."""
    return _number(_upg.ess(_series("log_weights", log_weights)))


def log_z(log_weights: npt.ArrayLike) -> LogZ:
    """log Z with its standard error, to second order in the spread of the weights, and the verdict of ``upg evaluate``, as far as the weights alone tell."""
    value, error, warnings = _upg.log_z(_series("log_weights", log_weights))
    return LogZ(_number(value), _number(error), not warnings, warnings)


def metropolis(log_weights: npt.ArrayLike, seed: int = 0) -> tuple[npt.NDArray[np.int64], float]:
    """The independence Metropolis chain with these samples as proposals, in turn: the index of its state at every time, and the acceptance.

    ``x[indices]`` are unbiased samples of the target, correlated: those of ``run.sample(n, seed, metropolis=True)`` for the samples and log-weights of
    that seed. The chain starts at the first finite log-weight, and has as many states less as there are before.
    """
    indices, acceptance = _upg.metropolis(_series("log_weights", log_weights), whole("seed", seed))
    return indices, _number(acceptance)


def autocorrelation(series: npt.ArrayLike) -> Autocorrelation | None:
    """Autocorrelation of a chain by the Γ method, and the error of its mean.

    :param series: shape ``[n]``, or ``[replicas, n]`` for independent chains of one length.

    None for fewer than 10 values, for values that aren't finite, if all are the same, and if neighbours are so anticorrelated that the method fails.
    """
    values = real64("series", series)
    if values.ndim not in (1, 2):
        raise ArgumentError(f"series of shape {list(values.shape)}: accepted is [n], or [replicas, n]")
    found = _upg.autocorrelation(np.atleast_2d(values))
    return None if found is None else Autocorrelation(*found)


def integrated_time(series: npt.ArrayLike) -> tuple[float, float]:
    """The integrated autocorrelation time of a chain and its error, see :func:`autocorrelation`; NaN where that is None."""
    found = autocorrelation(series)
    return (float("nan"), float("nan")) if found is None else (found.tau, found.tau_error)


def _series(name: str, numbers: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Contiguous numbers in double precision: not copied if they are that already."""
    series = real64(name, numbers)
    if series.ndim != 1 or len(series) == 0:
        raise ArgumentError(f"{name} of shape {list(series.shape)}: accepted is [n], one number a sample, at least 1")
    return series


def _number(found: float | None) -> float:
    return float("nan") if found is None else found
