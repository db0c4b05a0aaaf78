"""Flows in memory: the numbers of the commands, to the bit, and those of independent formulas."""

from __future__ import annotations

import copy
import json
import pickle
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import upg
from upg.flow import _told_of_missed

FLOW = upg.flows.RealNvp(lattice=[4, 2], couplings=2, hidden=[7], transform=upg.transforms.Affine(clamp=2.0))
TARGET = upg.targets.Phi4(lattice=[4, 2], kappa=0.2, lambda_=0.1)
METHODS = [
    ("reverse", "Reparam", "reparam"),
    ("reverse", "PathFast", "path-fast"),
    ("reverse", "PathTwoPass", "path-two-pass"),
    ("reverse", "PathTwoPassLean", "path-two-pass-lean"),
    ("forward", "MaxLikelihood", "max-likelihood"),
    ("forward", "PathFast", "path-fast"),
    ("forward", "Gdreg", "gdreg"),
]


def command(*arguments: object) -> None:
    program = Path(sys.executable).with_name("upg")
    made = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr


def tensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """The tensors of a safetensors file."""
    held = path.read_bytes()
    begin = 8 + int.from_bytes(held[:8], "little")
    types = {"F32": np.float32, "F64": np.float64, "U8": np.uint8}
    found: dict[str, npt.NDArray[Any]] = {}
    for name, at in json.loads(held[8:begin]).items():
        if name != "__metadata__":
            first, end = at["data_offsets"]
            found[name] = np.frombuffer(held[begin + first : begin + end], types[at["dtype"]]).reshape(at["shape"])
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> upg.Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    return upg.train(FLOW, TARGET, steps=20, batch=16, seed=5, optimiser=upg.optimisers.Adam(rate=0.01), out=out)


def double(seed: int = 3) -> upg.Flow:
    return upg.Flow(FLOW, TARGET, seed=seed, dtype=float)


def action(x: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    phi = x.reshape(-1, 4, 2)
    neighbours = sum(phi * np.roll(phi, 1, axis) for axis in (1, 2))
    return np.asarray((-2 * 0.2 * neighbours + (1 - 2 * 0.1) * phi**2 + 0.1 * phi**4).sum((1, 2)), dtype=np.float64)


def test_samples_and_densities_are_those_of_the_command(run: upg.Run, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("x.npy", "w.npy", "z.npy", "q.npy", "back.npy")]
    numbers = ["-n", 50, "--seed", 3, "--first", 7]
    command("sample", "--run", run.path, *numbers, "--out", files[0], "--log-weights", files[1], "--latent", files[2])
    command("log-prob", "--run", run.path, "--samples", files[0], "--out", files[3], "--latent", files[4])
    x, log_weights, z, log_prob, back = (np.load(file) for file in files)
    flow = run.flow
    assert np.array_equal(flow.sample(50, 3, first=7), x) and x.shape == (50, 4, 2)
    assert all(np.array_equal(*pair) for pair in zip(flow.sample_weighted(50, 3, first=7), (x, log_weights)))
    assert np.array_equal(flow.log_prob(x), log_prob)
    assert np.array_equal(flow.forward(z)[0], x) and np.array_equal(flow.inverse(x)[0], back)
    assert np.allclose(flow.sample_with_log_prob(50, 3, first=7)[1], -log_weights - action(x), atol=1e-5)
    chain = tmp_path / "chain.npy"
    command("sample", "--run", run.path, "-n", 50, "--seed", 3, "--metropolis", "--out", chain)
    assert np.array_equal(flow.sample(50, 3, metropolis=True), np.load(chain))


@pytest.mark.parametrize("dtype", ["f32", "f64"])
def test_gradients_are_those_of_the_command(run: upg.Run, tmp_path: Path, dtype: str) -> None:
    config, weights = tmp_path / "config.ron", run.path / "checkpoint.best.safetensors"
    config.write_text(run.config)
    flow = run.load_flow(dtype=dtype.replace("f", "float"))
    files = {"reverse": tmp_path / "z.npy", "forward": tmp_path / "x.npy"}
    np.save(files["reverse"], flow.inverse(flow.sample(40))[0])
    np.save(files["forward"], upg.hmc(TARGET, 40, chains=4, warm_up=5, dtype=flow.dtype)[0])
    for divergence, name, on_the_command_line in METHODS:
        out, points = tmp_path / "gradient.safetensors", np.load(files[divergence])
        options = ["--estimator", on_the_command_line, "--divergence", divergence, "--dtype", dtype]
        inputs = ["--config", config, "--params", weights, "--samples", files[divergence]]
        command("gradient", *inputs, *options, "--out", out)
        theirs = tensors(out)
        given: dict[str, Any] = {"x" if divergence == "forward" else "z": points}
        ours = flow.gradient(estimator=name, **given)
        assert {f"grad.{name}" for name in ours.grad} == {name for name in theirs if name.startswith("grad.")}
        for parameter, numbers in ours.grad.items():
            assert np.array_equal(numbers, theirs[f"grad.{parameter}"]), (name, parameter)
        assert ours.loss == theirs["loss"] and np.array_equal(ours.end, theirs["end"])
        assert np.array_equal(ours.log_det, theirs["log_det"]) and np.array_equal(ours.log_weights, theirs["log_weight"])


def test_a_gradient_is_of_the_samples_that_are_drawn() -> None:
    flow = double()
    x, log_weights = flow.sample_weighted(30, 8, first=2)
    drawn = flow.gradient(batch=30, seed=8, first=2)
    assert np.array_equal(drawn.end, x) and np.array_equal(drawn.log_weights, log_weights)
    assert np.isclose(drawn.loss, -log_weights.mean(), rtol=1e-14)
    other = flow.gradient("Gmm(dim: 8)", batch=30, seed=8, first=2)
    assert np.array_equal(other.end, x) and not np.allclose(other.log_weights, log_weights)
    again = flow.gradient(upg.targets.Phi4(lattice=[4, 2], kappa=0.2, lambda_=0.1), batch=30, seed=8, first=2)
    assert again.loss == drawn.loss


def test_a_gradient_is_that_of_the_loss() -> None:
    flow, step = double(), 1e-5
    z = np.random.default_rng(2).normal(size=(10, 8))

    def loss() -> float:
        x, log_det = flow.forward(z)
        log_base = -0.5 * (z**2).sum(1) - 4 * np.log(2 * np.pi)
        return float((log_base - log_det + action(x)).mean())

    gradient = flow.gradient(z=z, estimator="reparam")
    assert np.isclose(gradient.loss, loss(), rtol=1e-12)
    for name, numbers in flow.parameters.items():
        ends: list[float] = []
        for sign in (1, -1):
            moved = numbers.copy()
            moved.flat[0] += sign * step
            flow.parameters = {name: moved}
            ends.append(loss())
        flow.parameters = {name: numbers}
        assert np.isclose((ends[0] - ends[1]) / (2 * step), gradient.grad[name].flat[0], rtol=1e-6, atol=1e-8), name
    assert flow.gradient(z=z, estimator="reparam").loss == gradient.loss


def test_log_det_and_score_are_derivatives() -> None:
    flow, step = double(), 1e-6
    x = np.random.default_rng(1).normal(size=8)
    moved = np.concatenate([x + step * np.eye(8), x - step * np.eye(8)])
    ends = flow.inverse(moved)[0].reshape(2, 8, 8)
    jacobian = (ends[0] - ends[1]) / (2 * step)
    z, log_det = flow.inverse(x[None])
    assert z.shape == (1, 4, 2) and np.isclose(log_det[0], np.linalg.slogdet(jacobian)[1], atol=1e-8)
    assert np.isclose(flow.log_prob(x[None])[0], -0.5 * (z**2).sum() - 4 * np.log(2 * np.pi) + log_det[0], atol=1e-12)
    back, other = flow.forward(z)
    assert np.allclose(back.ravel(), x, atol=1e-12) and np.isclose(other[0], -log_det[0], atol=1e-12)
    log_prob = flow.log_prob(moved).reshape(2, 8)
    assert np.allclose(flow.score(x[None]).ravel(), (log_prob[0] - log_prob[1]) / (2 * step), atol=1e-7)
    drawn, log_q = flow.sample_with_log_prob(20)
    assert np.allclose(flow.log_prob(drawn), log_q, atol=1e-12)


def test_points_come_in_pieces_and_in_any_order_of_memory() -> None:
    flow = upg.Flow(FLOW, seed=1)
    x, log_q = flow.sample_with_log_prob(20_000)
    assert np.array_equal(x[12_345:12_350], flow.sample(5, first=12_345)) and len(np.unique(log_q)) > 19_000
    log_prob, scores = flow.log_prob(x), flow.score(x)
    assert np.array_equal(log_prob[9000:9010], flow.log_prob(x[9000:9010])) and log_prob.dtype == np.float64
    assert np.array_equal(scores[9000:9010], flow.score(x[9000:9010])) and scores.dtype == np.float32
    assert np.array_equal(flow.log_prob(np.asfortranarray(x)), log_prob)
    assert np.array_equal(flow.log_prob(x[::-2]), log_prob[::-2])
    assert np.array_equal(flow.log_prob(x.astype(">f4")), log_prob)
    for nothing in (x[:0], x[:0].astype(float), x[9:3:-1][6:]):
        assert flow.log_prob(nothing).shape == (0,) and flow.forward(nothing)[0].shape == (0, 4, 2)
    assert np.array_equal(flow.log_prob(x[:3].tolist()), log_prob[:3])


def test_points_that_the_inverse_misses_are_told() -> None:
    log_prob = np.zeros(3)
    with pytest.warns(RuntimeWarning, match="2 of 3 points are missed by the inverse"):
        assert _told_of_missed(log_prob, 2) is log_prob
    assert _told_of_missed(log_prob, 0) is log_prob


def test_angles_are_taken_modulo_a_turn() -> None:
    flow = upg.Flow(upg.flows.U1(lattice=[4, 4], layers=2, mixtures=2, hidden=[3]), dtype=float)
    x = flow.sample(5)
    assert flow.shape == (2, 4, 4) and flow.dof == 32
    before = x.copy()
    assert np.allclose(flow.log_prob(x + 2 * np.pi), flow.log_prob(x), atol=1e-9) and np.array_equal(x, before)
    assert np.allclose(flow.inverse(x - 2 * np.pi)[0], flow.inverse(x)[0], atol=1e-9)


def test_initial_parameters_are_those_of_a_training(tmp_path: Path) -> None:
    run = upg.train(FLOW, TARGET, steps=1, batch=4, seed=9, optimiser=upg.optimisers.Adam(rate=1e-30), out=tmp_path / "run")
    flow, trained = upg.Flow(FLOW, seed=9), run.load_flow(weights="latest")
    assert list(flow.parameters) == list(trained.parameters)
    for name, numbers in flow.parameters.items():
        assert np.array_equal(numbers, trained.parameters[name]), name
    assert not np.array_equal(upg.Flow(FLOW, seed=8).sample(3, 1), flow.sample(3, 1))


def test_parameters_are_saved_and_loaded(run: upg.Run, tmp_path: Path) -> None:
    flow, path = run.load_flow(), tmp_path / "weights.safetensors"
    flow.save(path)
    for held in (upg.Flow.load(path), upg.Flow.load(path, FLOW), flow.copy(), copy.copy(flow), pickle.loads(pickle.dumps(flow))):
        assert np.array_equal(held.sample(5, 1), flow.sample(5, 1)) and held.dtype == np.float32 and held.shape == (4, 2)
    assert upg.Flow.load(path).target == flow.target
    of_checkpoint = upg.Flow.load(run.path / "checkpoint.best.safetensors", dtype=float)
    assert np.array_equal(of_checkpoint.sample(5, 1), run.sample(5, 1, dtype=float))
    plain = upg.Flow(FLOW, seed=4)
    plain.save(path)
    held = upg.Flow.load(path)
    assert held.target is None and held.seed == 4 and np.array_equal(held.sample(5), plain.sample(5))
    further = upg.train(FLOW, TARGET, steps=1, batch=4, start_from=path, optimiser=upg.optimisers.Adam(rate=1e-30), out=tmp_path / "further")
    assert np.array_equal(further.sample(3, 1, weights="latest"), plain.sample(3, 1))
    assert upg.Flow(plain.layers, seed=4).layers == plain.layers


def test_parameters_are_set() -> None:
    flow, other = upg.Flow(FLOW, seed=1), upg.Flow(FLOW, seed=2)
    flow.parameters = other.parameters
    assert np.array_equal(flow.sample(3, 1), other.sample(3, 1))
    name, numbers = next(iter(flow.parameters.items()))
    for wrong in ({"none": numbers}, {name: numbers[:1]}, {name: np.full(numbers.shape, np.nan)}):
        with pytest.raises(upg.ArgumentError, match="accepted") as line:
            flow.parameters = {**flow.parameters, **wrong}
        assert "\n" not in str(line.value)
    assert np.array_equal(flow.sample(3, 1), other.sample(3, 1))


def test_what_a_run_keeps_is_of_its_latest_checkpoint(tmp_path: Path) -> None:
    run = upg.train(FLOW, TARGET, steps=4, batch=8, seed=5, stop_after=2, out=tmp_path / "run")
    early, held = run.sample(3, 1, weights="latest"), run.flow
    assert run.flow is held and np.array_equal(run.sample(3, 1, weights="latest"), early)
    held.parameters = {name: 0 * numbers for name, numbers in held.parameters.items()}
    assert np.array_equal(run.sample(3, 1, weights="latest"), early)
    upg.load(run.path).resume()
    assert run.flow is not held and not np.array_equal(run.sample(3, 1, weights="latest"), early)
    assert np.array_equal(run.sample(3, 1, weights="latest"), upg.load(run.path).sample(3, 1, weights="latest"))
    assert np.array_equal(pickle.loads(pickle.dumps(run)).sample(3, 1), run.sample(3, 1))


def test_numbers_left_to_the_target_are_those_of_the_target() -> None:
    flow = upg.flows.RealNvp(lattice=[4, 2], couplings=2, hidden=[7], base=upg.bases.FreeField())
    target = upg.targets.Phi4(lattice=[4, 2], kappa=0.1, lambda_=0.1)
    assert upg.Flow(flow, target).sample(2).shape == (2, 4, 2)
    with pytest.raises(upg.ConfigError, match="base.m2 = absent: accepted is"):
        upg.Flow(flow)


def test_steps_of_an_integrator(tmp_path: Path) -> None:
    description = upg.flows.Continuous(lattice=[4], field="Shallow(width: 5, times: 3)", steps=4)
    flows = [upg.Flow(description, dtype=float, ode_steps=steps) for steps in (None, 4, 40)]
    rng = np.random.default_rng(1)
    moved = {name: rng.normal(size=numbers.shape) for name, numbers in flows[0].parameters.items()}
    for flow in flows:
        flow.parameters = moved
    x = [flow.sample(10) for flow in flows]
    assert np.array_equal(x[0], x[1]) and 0 < abs(x[2] - x[0]).max() < 1e-2
    assert np.array_equal(flows[2].copy().sample(10), x[2])
    with pytest.raises(upg.ConfigError, match="ode_steps = 3: accepted is"):
        upg.Flow(FLOW, ode_steps=3)


def test_wrong_arguments_are_told_in_a_line() -> None:
    flow = upg.Flow(FLOW)
    x = np.zeros((3, 8))
    for refuse in (
        lambda: flow.sample(0),
        lambda: flow.sample(-1),
        lambda: flow.sample(1, -1),
        lambda: flow.sample(1, 2**64),
        lambda: upg.Flow(FLOW, seed=-1),
        lambda: flow.sample(5, first=2**64 - 2),
        lambda: upg.Flow("RealNvp(lattice: [10000], couplings: 1, hidden: [1])").sample(10**9),
        lambda: upg.Flow("RealNvp(lattice: [10000], couplings: 1, hidden: [1])").gradient("Gmm(dim: 10000)", batch=10**9),
        lambda: flow.log_prob(np.zeros((3, 5))),
        lambda: flow.log_prob(np.zeros(8)),
        lambda: flow.log_prob(3.0),
        lambda: flow.forward(np.zeros((3, 2, 4))),
        lambda: flow.score(np.zeros((3, 4, 2, 1))),
        lambda: flow.sample_weighted(3),
        lambda: flow.sample(3, metropolis=True),
        lambda: flow.gradient(),
        lambda: flow.gradient(TARGET, estimator="Best"),
        lambda: flow.gradient(TARGET, divergence="both"),  # type: ignore[arg-type]
        lambda: flow.gradient(TARGET, divergence="forward"),
        lambda: flow.gradient(TARGET, batch=0),
        lambda: flow.gradient(TARGET, x=x[:0]),
        lambda: upg.Flow(FLOW, device="gpu"),
        lambda: upg.Flow(FLOW, dtype=np.float16),
        lambda: upg.Flow(FLOW, threads=0),
        lambda: upg.Flow(FLOW, ode_steps=0),
    ):
        with pytest.raises(upg.ArgumentError, match="accepted") as line:
            refuse()
        assert "\n" not in str(line.value) and not str(line.value).startswith("-"), str(line.value)
    with pytest.raises(upg.ConfigError, match="accepted with it are"):
        flow.gradient(TARGET, x=x, estimator="Reparam")
    for wrong in ("Gmm(dim: 3)", "Phi4(lattice: [2, 4], kappa: 0.1, lambda: 0.1)", "U1(lattice: [4, 2], beta: 1)"):
        with pytest.raises(upg.ConfigError, match="^target.*accepted"):
            flow.gradient(wrong)
        with pytest.raises(upg.ConfigError, match="^target.*accepted"):
            upg.Flow(FLOW, wrong)
    with pytest.raises(upg.ConfigError, match="^flow.couplings = 0: accepted"):
        upg.Flow(upg.flows.RealNvp(lattice=[4], couplings=0, hidden=[3]))
    with pytest.raises(upg.ConfigError, match="flow"):
        upg.Flow("RealNvp(")


def test_a_file_that_is_not_of_the_flow(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    upg.Flow(FLOW).save(path)
    with pytest.raises(upg.RunError, match="tensor"):
        upg.Flow.load(path, upg.flows.RealNvp(lattice=[4], couplings=2, hidden=[3]))
    with pytest.raises(upg.RunError, match="cannot read"):
        upg.Flow.load(tmp_path / "none.safetensors")
    path.write_bytes(b"nothing")
    with pytest.raises(upg.UpgError):
        upg.Flow.load(path)
    with pytest.raises(upg.OutputError):
        upg.Flow(FLOW).save(tmp_path / "nowhere" / "weights.safetensors")


def test_threads_take_turns() -> None:
    flow = upg.Flow(FLOW, seed=1)
    expected = [flow.sample(20_000, seed) for seed in range(6)]
    found: list[npt.NDArray[Any] | None] = [None] * 6

    def draw(seed: int) -> None:
        found[seed] = flow.sample(20_000, seed)

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ours is not None and np.array_equal(ours, theirs) for ours, theirs in zip(found, expected))


def test_a_handler_ends_a_call_and_cannot_use_its_flow() -> None:
    flow = upg.Flow(FLOW, seed=1)
    told: list[str] = []

    def handle(*_: object) -> None:
        try:
            flow.sample(1)
        except upg.ArgumentError as error:
            told.append(str(error))
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        with pytest.raises(TimeoutError):
            flow.sample(20_000_000)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert len(told) == 1 and "in use" in told[0]
    assert flow.sample(2).shape == (2, 4, 2)


def test_an_estimator_is_called_as_an_objective_is(run: upg.Run) -> None:
    flow = run.flow
    x, z = flow.sample(8), flow.sample(8)
    assert flow.gradient(z=z, estimator="Reverse(Reparam)").loss == flow.gradient(z=z, estimator="Reparam").loss
    assert flow.gradient(x=x, estimator="Forward(PathFast)").loss == flow.gradient(x=x, estimator="PathFast").loss
    with pytest.raises(upg.UpgError, match="accepted are"):
        flow.gradient(x=x, estimator="Reverse(PathFast)")
    assert repr(flow.gradient(z=z)).startswith("Gradient(loss=") and len(repr(flow.gradient(z=z))) < 100
