"""Flows in memory with targets of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import upg

Array = npt.NDArray[Any]
DOF = 4
FLOW = upg.flows.RealNvp(lattice=[DOF], couplings=2, hidden=[8])


def quartic(x: Array, strength: float = 1.0) -> tuple[Array, Array]:
    return strength * (x**4 / 4).sum(1), -strength * x**3


def strong(x: Array) -> tuple[Array, Array]:
    return quartic(x, 3.0)


def test_log_weights_are_those_of_the_function() -> None:
    flow = upg.Flow(FLOW, upg.Target(DOF, quartic), seed=1, dtype="float64")
    x, log_weights = flow.sample_weighted(300, seed=2)
    np.testing.assert_allclose(log_weights, -quartic(x)[0] - flow.log_prob(x), rtol=0, atol=1e-12)
    again = flow.copy().sample_weighted(300, seed=2)[1]
    assert np.array_equal(log_weights, again)


def test_a_gradient_is_that_of_the_target_given() -> None:
    """Targets of one name are told apart."""
    flow = upg.Flow(FLOW, seed=1, dtype="float64")
    losses, base = [], flow.sample_with_log_prob(200, seed=3)
    for function in (quartic, strong, quartic):
        gradient = flow.gradient(upg.Target(DOF, function, name="same"), batch=200, seed=3)
        assert gradient.loss == pytest.approx((base[1] + function(base[0])[0]).mean(), abs=1e-12)
        losses.append(gradient.loss)
    assert losses[0] == losses[2] != losses[1]
    assert np.array_equal(gradient.grad["layers.0.net.0.weight"], upg.Flow(FLOW, upg.Target(DOF, quartic), seed=1, dtype="float64").gradient(batch=200, seed=3).grad["layers.0.net.0.weight"])


def test_chains_of_a_function() -> None:
    x, summary = upg.hmc(upg.Target(DOF, quartic), 4000, seed=1)
    assert x.shape == (4000, DOF) and summary
    # The second moment of exp(-x^4/4) is 2 Gamma(3/4) / Gamma(1/4).
    assert (x.astype(np.float64) ** 2).mean() == pytest.approx(0.67598, abs=0.03)


def test_a_trainer_has_its_flow(tmp_path: Path) -> None:
    target = upg.Target(DOF, quartic)
    with upg.Trainer(FLOW, target, steps=5, batch=64, out=tmp_path / "run") as trainer:
        trainer.step()
        first = trainer.flow
        trainer.step()
        second = trainer.flow
    name = "layers.0.net.0.weight"
    assert not np.array_equal(first.parameters[name], second.parameters[name])
    assert second.sample_weighted(10)[1].shape == (10,)
    run = upg.load(tmp_path / "run", target=target)
    assert np.isfinite(run.flow.sample_weighted(10)[1]).all()
