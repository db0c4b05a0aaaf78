"""Statistics on plain arrays, against NumPy and against what an evaluation says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import upg

Floats = npt.NDArray[np.float64]


def weights(scale: float, n: int = 5000) -> Floats:
    return scale * np.random.default_rng(4).normal(size=n) - 700


def log_sum_exp(numbers: Floats) -> float:
    top = numbers.max()
    return float(top + np.log(np.exp(numbers - top).sum()))


def pareto(excesses: Floats) -> tuple[float, float]:
    """Index and scale of the Pareto distribution of ascending excesses: Zhang and Stephens, with the prior of Vehtari et al."""
    n = len(excesses)
    m = 30 + int(np.sqrt(n))
    b = (1 - np.sqrt(m / (np.arange(1, m + 1) - 0.5))) / (3 * excesses[int(n / 4 + 0.5) - 1]) + 1 / excesses[-1]
    k = np.log1p(-b[:, None] * excesses).mean(1)
    likelihood = n * (np.log(-b / k) - k - 1)
    mean = (b / np.exp(likelihood - likelihood[:, None]).sum(1)).sum()
    k = np.log1p(-mean * excesses).mean()
    return float((n * k + 10 * 0.5) / (n + 10)), float(-k / mean)


def smoothed(log_w: Floats) -> tuple[Floats, float]:
    n = len(log_w)
    tail = int(np.ceil(min(0.2 * n, 3 * np.sqrt(n))))
    order = np.argsort(log_w)
    top, cut = log_w[order[-1]], log_w[order[-tail - 1]]
    k, sigma = pareto(np.exp(log_w[order[-tail:]] - top) - np.exp(cut - top))
    p = (np.arange(tail) + 0.5) / tail
    found = log_w.copy()
    found[order[-tail:]] = top + np.minimum(np.log(np.exp(cut - top) + sigma * np.expm1(-k * np.log1p(-p)) / k), 0)
    return found, k


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_ess_log_z_and_psis_are_their_formulas(scale: float) -> None:
    log_w = weights(scale)
    n = len(log_w)
    ess = np.exp(2 * log_sum_exp(log_w) - log_sum_exp(2 * log_w)) / n
    assert np.isclose(upg.ess(log_w), ess, rtol=1e-12)
    found = upg.log_z(log_w)
    psi = np.exp(log_w - log_sum_exp(log_w)) - 1 / n
    variance = np.sum(psi**2)
    assert np.isclose(variance, (1 / ess - 1) / n, rtol=1e-10)
    value = log_sum_exp(log_w) - np.log(n) + np.sum(psi**3) / (2 * variance) - variance / 2
    assert np.isclose(found.value, value, rtol=1e-12)
    assert np.isclose(found.error, np.sqrt(variance + np.sum(psi**4) / variance), rtol=1e-10)
    assert found.trusted == (scale < 2) and found.trusted == (not found.warnings)
    ours, theirs = upg.psis(log_w), smoothed(log_w)
    assert np.isclose(ours[1], theirs[1], rtol=1e-9) and np.allclose(ours[0], theirs[0], atol=1e-9)
    assert np.array_equal(np.argsort(ours[0], kind="stable")[:-300], np.argsort(log_w, kind="stable")[:-300])
    assert ours[0].max() <= log_w.max()


def test_what_cannot_be_computed_is_not_a_number() -> None:
    broken = np.array([0.0, np.nan])
    assert np.isnan(upg.ess(broken)) and np.isnan(upg.log_z(broken).value) and np.isnan(upg.psis(broken)[1])
    assert "1 of 2" in upg.log_z(broken).warnings[0] and not upg.log_z(broken).trusted
    assert upg.ess([0.0, -np.inf]) == 0.5 and np.isnan(upg.log_z([1.0]).error)
    same, index = upg.psis(np.zeros(100))
    assert np.array_equal(same, np.zeros(100)) and np.isnan(index)
    indices, acceptance = upg.metropolis([-np.inf, -np.inf])
    assert len(indices) == 0 and np.isnan(acceptance)
    assert upg.autocorrelation(np.ones(50)) is None and np.isnan(upg.integrated_time(np.ones(50))).all()
    functions: list[Callable[[npt.ArrayLike], object]] = [upg.ess, upg.log_z, upg.psis, upg.metropolis]
    for wrong in (np.zeros((2, 2)), np.zeros(0), 3.0):
        for function in functions:
            with pytest.raises(upg.ArgumentError, match="log_weights of shape .* accepted"):
                function(wrong)
    with pytest.raises(upg.ArgumentError, match="series of shape"):
        upg.autocorrelation(np.zeros((2, 2, 2)))


def test_arrays_of_any_kind_are_taken() -> None:
    log_w = weights(1.0, 1000)
    assert upg.ess(log_w[::-1]) == pytest.approx(upg.ess(log_w), rel=1e-12)
    assert upg.ess(log_w.astype(np.float32)) == upg.ess(log_w.astype(np.float32).tolist())
    assert upg.ess(np.stack([log_w, log_w], 1)[:, 0]) == upg.ess(log_w)


def test_a_chain_is_that_of_the_samples(tmp_path: Path) -> None:
    target = upg.targets.Gmm(dim=4)
    run = upg.train("RealNvp(lattice: [4], couplings: 2, hidden: [5])", target, steps=200, batch=64, out=tmp_path / "run")
    x, log_w = run.sample_weighted(3000, 6)
    indices, acceptance = upg.metropolis(log_w, 6)
    assert np.array_equal(x[indices], run.sample(3000, 6, metropolis=True))
    moves = np.count_nonzero(np.diff(indices))
    assert np.isclose(acceptance, moves / (len(indices) - 1)) and 0.1 < acceptance < 1
    tau, error = upg.integrated_time(x[indices, 0])
    assert 0.5 <= tau + 3 * error and tau < 50

    summary = run.evaluate(samples=4000)
    told: dict[str, Any] = summary["log_z"]
    log_w = np.load(run.path / "evaluation" / "log_weights.npy")
    found = upg.log_z(log_w)
    assert (found.value, found.error) == (told["value"], told["error"])
    assert set(found.warnings) <= set(told["warnings"])
    assert upg.ess(log_w) == summary["ess_reverse"] and upg.psis(log_w)[1] == pytest.approx(summary["tail_index"], rel=1e-12)


def test_the_time_of_an_autoregressive_chain() -> None:
    rng, rho = np.random.default_rng(3), 0.8
    series = np.zeros((4, 20_000))
    series[:, 0] = rng.normal(size=4)
    for t in range(1, series.shape[1]):
        series[:, t] = rho * series[:, t - 1] + np.sqrt(1 - rho**2) * rng.normal(size=4)
    exact = 0.5 * (1 + rho) / (1 - rho)
    for chains in (series, series[0], series.T.copy().T):
        found = upg.autocorrelation(chains)
        assert found is not None and abs(found.tau - exact) < 5 * found.tau_error < 3
        assert np.isclose(found.mean, chains.mean()) and np.isclose(found.variance, 1, atol=0.2)
        assert found.rho[0] == 1 and np.isclose(found.rho[1], rho, atol=0.02)
        assert np.isclose(found.mean_error, np.sqrt(2 * found.tau * found.variance / chains.size), rtol=1e-2)


def test_json_of_tables() -> None:
    rows = upg.flow_table([4, 4])
    assert "RealNvp" in [row["name"] for row in rows] and rows[0]["counts"]["parameters"] > 0
    info = upg.flow_info("RealNvp", [6])
    assert info["counts"]["shape"] == [6] and info["tensors"] and "target" in info["experiment"]
    assert json.loads(json.dumps(info)) == info and "training" in upg.schema()
    for refuse in (lambda: upg.flow_table([0]), lambda: upg.flow_info("None"), lambda: upg.flow_info("U1", [3])):
        with pytest.raises(upg.ArgumentError):
            refuse()


def test_weights_that_are_all_the_same() -> None:
    assert upg.log_z([2.0] * 500) == (2.0, 0.0, True, [])
    one = upg.log_z([2.0])
    assert one.value == 2.0 and np.isnan(one.error) and not one.trusted
    assert upg.log_z([-np.inf] * 10).warnings == ["all 10 weights are zero"]
