"""Samples for ArviZ."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import upg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    arviz = pytest.importorskip("arviz")

FLOW = upg.flows.RealNvp(lattice=[4, 2], couplings=2, hidden=[7])
TARGET = upg.targets.Phi4(lattice=[4, 2], kappa=0.1, lambda_=0.1)


def test_chains_and_resampled_draws(tmp_path: Path) -> None:
    run = upg.train(FLOW, TARGET, steps=200, batch=64, seed=3, out=tmp_path / "run", optimiser="Adam(rate: 0.01)")
    chains = run.to_arviz(500, chains=2)
    posterior = chains.posterior
    assert posterior["x"].shape == (2, 500, 4, 2) and posterior["m"].shape == (2, 500)
    assert np.array_equal(posterior["x"].values[1], run.sample(500, seed=4, metropolis=True))
    assert np.allclose(posterior["x2"].values, (posterior["x"].values ** 2).mean((2, 3)), atol=1e-6)
    action = -run.log_prob(posterior["x"].values[0]) - chains.sample_stats["log_weight"].values[0]
    phi = posterior["x"].values[0].astype(float)
    neighbours = sum(phi * np.roll(phi, 1, axis) for axis in (1, 2))
    assert np.allclose(action, (-0.2 * neighbours + 0.8 * phi**2 + 0.1 * phi**4).sum((1, 2)), atol=1e-3)

    resampled = upg.to_arviz(run, 4000, seed=9, chains=1, kind="resampled").posterior
    x, log_weights = run.sample_weighted(4000, seed=9)
    weights = np.exp(log_weights - log_weights.max())
    expected = np.average((x**2).mean((1, 2)), weights=weights)
    assert abs(float(resampled["x2"].mean()) - expected) < 0.03 * expected
    assert np.isin(resampled["m"].values.round(6), x.mean((1, 2), dtype=float).round(6)).all()


def test_gauge_fields(tmp_path: Path) -> None:
    flow = upg.flows.U1(lattice=[4, 4], layers=1, mixtures=1, hidden=[2])
    run = upg.train(flow, upg.targets.U1(lattice=[4, 4], beta=1.0), steps=1, batch=4, out=tmp_path / "run")
    posterior = run.to_arviz(20).posterior
    assert set(posterior.data_vars) == {"x", "plaquette"} and posterior["plaquette"].shape == (4, 20)


def test_what_is_refused(tmp_path: Path) -> None:
    run = upg.train(FLOW, TARGET, steps=1, batch=4, out=tmp_path / "run")
    wrong: list[dict[str, Any]] = [{"n": 0}, {"chains": 0}, {"kind": "nuts"}]
    for options in wrong:
        with pytest.raises(upg.ArgumentError, match="accepted"):
            run.to_arviz(**options)
