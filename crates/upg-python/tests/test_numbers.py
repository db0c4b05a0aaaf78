"""Numbers of users: whatever NumPy calls an array is read right, or refused in a line."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import upg

DOF = 4
MASKED: Any = np.ma.masked_array
FLOW = upg.flows.RealNvp(lattice=[DOF], couplings=2, hidden=[8])
TARGET = upg.targets.Phi4(lattice=[DOF], kappa=0.1, lambda_=0.1)


def inside_a_structure(x: Any) -> Any:
    """The same numbers with strides that aren't whole numbers of them."""
    packed = np.zeros(len(x), dtype=[("first", "i1"), ("rest", x.dtype, x.shape[1:])])
    packed["rest"] = x
    return packed["rest"]


def misaligned(x: Any) -> Any:
    return np.frombuffer(b"\0" + np.ascontiguousarray(x).tobytes(), np.uint8)[1:].view(x.dtype).reshape(x.shape)


@pytest.mark.parametrize("layout", [inside_a_structure, misaligned, np.asfortranarray, lambda x: np.repeat(x, 2, axis=1)[:, ::2]])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layouts(layout: Callable[[Any], Any], dtype: Any) -> None:
    flow = upg.Flow(FLOW, TARGET, seed=2)
    x = flow.sample(5).astype(dtype)
    given = layout(x)
    assert np.array_equal(given, x)
    assert np.array_equal(flow.log_prob(given), flow.log_prob(x))
    assert all(np.array_equal(*both) for both in zip(flow.forward(given), flow.forward(x), strict=True))
    assert np.array_equal(flow.score(given), flow.score(x))
    assert flow.gradient(z=given).loss == flow.gradient(z=x).loss
    name, weight = next((name, of) for name, of in flow.parameters.items() if of.ndim == 2)
    flow.parameters = {name: layout(weight + 1)}
    assert np.array_equal(flow.parameters[name], weight + 1)


def test_layouts_of_series_and_of_what_functions_return() -> None:
    series = np.random.default_rng(1).normal(size=50)
    given: Any
    for given in (misaligned(series), inside_a_structure(series), series.tolist(), [Fraction(number) for number in series.tolist()]):
        assert upg.ess(given) == upg.ess(series)
        assert upg.log_z(given) == upg.log_z(series)
        assert np.array_equal(upg.metropolis(given)[0], upg.metropolis(series)[0])
    target = upg.Target(DOF, lambda x: (misaligned((x**2).sum(1) / 2), misaligned(-x)))
    assert upg.check_target(target).largest < 1


@pytest.mark.parametrize(
    "wrong",
    [
        MASKED(np.zeros((1, DOF)), mask=[[0, 0, 1, 0]]),
        np.full((1, DOF), 1 + 5j),
        [["1", "1", "2", "3"]],
        np.zeros((1, DOF), "M8[s]"),
        np.array([[None, 1, 2, 3]], dtype=object),
        [[1.0, 2.0, 3.0, 4.0], [1.0]],
        [[10**400, 1, 2, 3]],
    ],
)
def test_what_is_no_number_is_refused(wrong: Any) -> None:
    flow = upg.Flow(FLOW, TARGET)
    name = next(iter(flow.parameters))
    refusals: list[Callable[[], object]] = [
        lambda: flow.log_prob(wrong),
        lambda: flow.inverse(wrong),
        lambda: upg.ess(np.ma.ravel(wrong) if isinstance(wrong, np.ma.MaskedArray) else wrong),
        lambda: upg.check_target(TARGET, points=wrong),
        lambda: setattr(flow, "parameters", {name: wrong}),
        lambda: upg.from_torch_state({name: wrong}, FLOW),
    ]
    for refusal in refusals:
        with pytest.raises(upg.ArgumentError, match="accepted are real numbers") as line:
            refusal()
        assert "\n" not in str(line.value)


def test_masks_of_functions_are_seen() -> None:
    def masked(x: Any) -> Any:
        return MASKED((x**2).sum(1) / 2, mask=np.arange(len(x)) == 1), -x

    with pytest.raises(upg.TargetError, match="the action has 1 masked numbers"):
        upg.check_target(upg.Target(DOF, masked))
    nothing_hidden: Any = MASKED([0.0, 0.0, 1.0])
    assert upg.ess(nothing_hidden) == upg.ess([0.0, 0.0, 1.0])


def test_more_than_there_is_memory_is_refused() -> None:
    flow = upg.Flow(FLOW, TARGET)
    many = np.broadcast_to(np.zeros((1, DOF), np.float32), (10**12, DOF))
    for refusal in (flow.log_prob, flow.forward, flow.inverse, flow.score, lambda x: flow.gradient(z=x)):
        with pytest.raises(upg.ArgumentError, match="what fits into the"):
            refusal(many)
    with pytest.raises(upg.ArgumentError, match="samples = 1099511627776: accepted is what fits into the"):
        upg.check_target(TARGET, samples=2**40)


def test_whole_numbers_and_words(tmp_path: Path) -> None:
    run = upg.train(FLOW, TARGET, steps=1, batch=4, out=tmp_path / "run")
    wrong: Any
    for wrong in (-1, 2**64, 1.5, "3", float("nan")):
        for refusal in (
            lambda: run.sample(wrong),
            lambda: run.sample(1, seed=wrong),
            lambda: run.sample(1, threads=wrong),
            lambda: run.evaluate(seed=wrong),
            lambda: run.evaluate(samples=wrong),
            lambda: run.evaluate(ode_steps=wrong),
            lambda: run.resume(stop_after=wrong),
            lambda: upg.check_target(TARGET, samples=wrong),
            lambda: upg.check_target(TARGET, seed=wrong),
            lambda: upg.hmc(TARGET, wrong),
        ):
            with pytest.raises(upg.ArgumentError, match="accepted is a whole number, at least 0, below 2"):
                refusal()
    refusals: list[Callable[[], object]] = [
        lambda: run.sample(1, device=wrong),
        lambda: run.sample(1, weights=wrong),
        lambda: run.flow.gradient(estimator=wrong),
        lambda: run.sample(1, dtype="abc"),
        lambda: upg.Target(4, len, domain=wrong),
        lambda: upg.Target(4, len, name=wrong),
        lambda: upg.Target(4, len, shape=wrong),
        lambda: upg.Target(4, len, action=wrong),
        lambda: upg.flow_table(wrong),
        lambda: upg.Trainer.resume(run, set=wrong),
        lambda: upg.report(),
    ]
    wrong = 3
    for refused in refusals:
        with pytest.raises(upg.ArgumentError, match="accepted"):
            refused()
    with pytest.raises(upg.ArgumentError, match=r"accepted") as line:
        run.sample(1, device="cp\nu")
    assert "\n" not in str(line.value)
