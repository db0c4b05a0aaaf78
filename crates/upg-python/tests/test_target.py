"""Targets of one's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from test_run import tensors

import upg

Array = npt.NDArray[np.float64]

DOF = 6
FLOW = upg.flows.RealNvp(lattice=[DOF], couplings=2, hidden=[7])


def gmm(x: Array) -> tuple[Array, Array]:
    """The target ``Gmm`` of upg: in every dimension N(-1, 1/2)/2 + N(1, 1/2)/2."""
    log_p = np.log(0.5 * np.exp(-((x - 1) ** 2)) + 0.5 * np.exp(-((x + 1) ** 2))) - 0.5 * np.log(np.pi)
    return -log_p.sum(1), -2 * x + 2 * np.tanh(2 * x)


def quartic(x: Array) -> tuple[Array, Array]:
    return (x**4 / 4 + x**2 / 2).sum(1), -(x**3) - x


def trained(target: Any, out: Path, flow: Any = FLOW, **others: Any) -> upg.Run:
    told: dict[str, Any] = {"steps": 12, "batch": 40, "seed": 3, "precision": "F64", "validation": {"every": 4, "samples": 50}, "checkpoint": {"every": 5}, "log_every": 1}
    return upg.train(flow, target, out=out, evaluation={"samples": 300, "blocks": 10}, **(told | others))


def state(run: upg.Run) -> dict[str, bytes]:
    return tensors(run.path / "checkpoint.safetensors") | {"best": b"".join(tensors(run.path / "checkpoint.best.safetensors").values())}


def test_a_target_is_trained_evaluated_and_sampled(tmp_path: Path) -> None:
    seen: list[tuple[bool, tuple[int, ...], Any]] = []

    def normal(x: Array) -> tuple[Array, Array]:
        seen.append((bool(x.flags.c_contiguous and x.flags.writeable), x.shape, x.dtype))
        return gmm(x)

    target = upg.Target(DOF, normal, name="mixture")
    run, other = trained(target, tmp_path / "own"), trained(upg.targets.Gmm(dim=DOF), tmp_path / "built_in")
    assert all(is_good and dtype == np.float64 and shape[1:] == (DOF,) for is_good, shape, dtype in seen)
    for name in ("loss", "grad_norm", "ess_reverse", "validation.loss"):
        assert np.allclose(run.metrics[name], other.metrics[name], rtol=1e-9, equal_nan=True), name
    x, log_weights = run.sample_weighted(100, seed=2)
    assert np.allclose(log_weights, -gmm(x)[0] - run.log_prob(x), atol=1e-12)
    mine, theirs = run.evaluate(), other.evaluate()
    assert abs(mine["log_z"]["value"] - theirs["log_z"]["value"]) < 1e-9
    assert "mean_0" in mine["observables"]


def test_results_are_the_same_for_any_number_of_threads(tmp_path: Path) -> None:
    target = upg.Target(DOF, gmm)
    runs = [trained(target, tmp_path / str(threads), batch=300, threads=threads) for threads in (1, 2, 3)]
    assert state(runs[0]) == state(runs[1]) == state(runs[2])


def test_runs_need_their_target(tmp_path: Path) -> None:
    run = trained(upg.Target(DOF, gmm), tmp_path / "run", stop_after=7)
    whole = trained(upg.Target(DOF, gmm), tmp_path / "whole")
    assert 'target: Python(' in run.config and '"gmm"' in run.config
    lone = upg.load(run.path)
    assert len(lone.metrics["step"]) == 7
    for refused in (lone.evaluate, lone.resume, lambda: lone.sample(2)):
        with pytest.raises(upg.ConfigError, match=r"target.function = gmm: accepted is one that is handed in, as in .*upg.load\(folder, target=target\)"):
            refused()
    with pytest.raises(upg.ConfigError, match="target.function = gmm: accepted is quartic, the name"):
        upg.load(run.path, target=upg.Target(DOF, quartic)).evaluate()
    with pytest.raises(upg.ConfigError, match="target.dof = 6: accepted is 5, as the target gmm has"):
        upg.load(run.path, target=upg.Target(5, gmm)).evaluate()
    again = upg.load(run.path, target=upg.Target(DOF, quartic, name="gmm"))
    assert again.resume().target is again.target
    assert state(trained(upg.Target(DOF, gmm), tmp_path / "other", stop_after=7).resume()) == state(whole)


def test_the_force_is_compared_with_the_action(tmp_path: Path) -> None:
    target = upg.Target(DOF, lambda x: (gmm(x)[0], -gmm(x)[1]), name="wrong")
    with pytest.raises(upg.ConfigError, match=r"target.function = wrong: accepted is a function whose force is -dS/dx: component 0 .* the sign is that of dS/dx"):
        trained(target, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(upg.ConfigError, match="target = wrong: accepted is one whose force is"):
        upg.check_target(target)
    trained(upg.Target(DOF, lambda x: (gmm(x)[0], -gmm(x)[1]), name="wrong", check=False), tmp_path / "run", steps=2)


def test_symmetries_are_compared_with_the_action(tmp_path: Path) -> None:
    def reflected(x: Array) -> Array:
        x *= -1
        return x

    def rolled(x: Array) -> Array:
        return np.roll(x, 1, axis=1)

    def shifted(x: Array) -> Array:
        return x + 1

    good = upg.Target(DOF, quartic, symmetries=[reflected, rolled])
    assert good.check_symmetries(np.zeros((0, DOF))) == 0 and len(good.action(np.zeros((0, DOF)))) == 0
    assert good.check_symmetries(np.ones((3, DOF))) < 1 and upg.check_target(good, samples=3).largest < 1
    same = upg.Target(DOF, quartic, symmetries=[reflected, rolled])
    assert state(trained(same, tmp_path / "same")) == state(trained(upg.Target(DOF, quartic), tmp_path / "plain"))
    wrong = upg.Target(DOF, quartic, symmetries=[reflected, shifted])
    told = r"target quartic, symmetries\[1\] = .*shifted: S = .* becomes .* at sample \d+: accepted is a function that leaves S as it is"
    with pytest.raises(upg.TargetError, match=told) as caught:
        trained(wrong, tmp_path / "run")
    assert caught.value.sample in range(16) and not (tmp_path / "run").exists()
    with pytest.raises(upg.TargetError, match=r"S = 4.5 becomes 36.0 at sample 1"):
        upg.check_target(wrong, points=[[-0.5] * DOF, [1.0] * DOF])
    trained(upg.Target(DOF, quartic, symmetries=[shifted], check=False), tmp_path / "run", steps=2)

    def lopsided(x: Array) -> tuple[Array, Array]:
        action, force = quartic(x)
        beyond = np.maximum(x[:, 0] - 3, 0)
        force[:, 0] -= 2 * beyond
        return action + beyond**2, force

    with pytest.raises(upg.TargetError, match=r"symmetries\[0\] = .*reflected: S = .* at sample 19"):
        upg.check_target(upg.Target(DOF, lopsided, symmetries=[reflected]), points=[[0.0] * DOF] * 19 + [[3.5] * DOF])
    with pytest.raises(upg.TargetError, match=r"the image has the shape \[3, 5\]"):
        upg.Target(DOF, quartic, symmetries=[lambda x: x[:, 1:]]).check_symmetries(np.ones((3, DOF)))
    half = upg.from_numpy(lambda x: np.where(x[:, 0] > 0, np.nan, 0.0), lambda x: 0 * x, dof=1, symmetries=[reflected])
    with pytest.raises(upg.TargetError, match="S = 0.0 becomes nan at sample 1"):
        half.check_symmetries([[0.0], [-1.0]])
    for refused in (reflected, [reflected, 3], "sign", None):
        with pytest.raises(upg.ArgumentError, match="symmetries = .*: accepted is a list of functions of x"):
            upg.Target(DOF, quartic, symmetries=refused)  # type: ignore[arg-type]


def test_targets_are_checked_at_points_of_all_kinds() -> None:
    good = upg.Target(DOF, quartic)
    for found in (upg.check_target(good), upg.check_target(good, FLOW, samples=3), upg.check_target(good, points=np.ones((2, DOF)))):
        assert found.derivatives % 7 == 0 and found.not_finite == 0 and found.largest < 1

    def wrong_beyond_3(x: Array) -> tuple[Array, Array]:
        action, force = quartic(x)
        force[:, 4] += np.where(x[:, 4] > 3, 1e-2, 0)
        return action, force

    rare = upg.Target(DOF, wrong_beyond_3)
    assert upg.check_target(rare, samples=5).largest < 1
    with pytest.raises(upg.ConfigError, match="component 4 of the force is .* at sample 1, central differences of the action say -"):
        upg.check_target(rare, points=[[0.0] * DOF, [3.5] * DOF])
    assert upg.check_target(upg.targets.Phi4(lattice=[3, 2], kappa=0.2, lambda_=0.1)).largest < 1
    assert upg.check_target(upg.targets.U1(lattice=[3, 2], beta=1.5)).largest < 1
    walled = upg.from_numpy(lambda x: np.where(x[:, 0] > 0, np.inf, x[:, 0] ** 2), lambda x: -2 * x, dof=1)
    assert upg.check_target(walled).not_finite > 0
    wrong: list[dict[str, Any]] = [{"points": np.zeros((2, 5))}, {"points": np.zeros((0, DOF))}, {"flow": upg.flows.RealNvp(lattice=[5], couplings=1, hidden=[2])}]
    for told in wrong:
        with pytest.raises(upg.ArgumentError, match="accepted"):
            upg.check_target(good, **told)


def test_finite_differences_are_asked_for(tmp_path: Path) -> None:
    def action(x: Array) -> Array:
        return gmm(x)[0]

    with pytest.raises(upg.ArgumentError, match=r"force = None: accepted is a function of x, or \"finite-differences\""):
        upg.from_numpy(action, dof=DOF)
    target = upg.from_numpy(action, "finite-differences", dof=DOF)
    assert upg.check_target(target).largest < 1
    run, exact = trained(target, tmp_path / "run"), trained(upg.from_numpy(action, lambda x: gmm(x)[1], dof=DOF), tmp_path / "exact")
    assert "FiniteDifferences" in run.config
    assert np.allclose(run.metrics["grad_norm"], exact.metrics["grad_norm"], rtol=1e-6)
    noisy = upg.from_numpy(lambda x: action(x).astype(np.float32), "finite-differences", dof=DOF, name="noisy")
    with pytest.raises(upg.ConfigError, match="noisy"):
        trained(noisy, tmp_path / "noisy")


def test_angles(tmp_path: Path) -> None:
    flow = upg.flows.U1(lattice=[4, 4], layers=2, mixtures=2, hidden=[3])

    def plaquettes(x: Array) -> Array:
        one, other = x.reshape(-1, 2, 4, 4).transpose(1, 0, 2, 3)
        return one + np.roll(other, -1, 1) - np.roll(one, -1, 2) - other

    def u1(x: Array) -> tuple[Array, Array]:
        p = plaquettes(x)
        s = 1.5 * np.sin(p)
        force = -np.stack([s - np.roll(s, 1, 2), np.roll(s, 1, 1) - s], 1)
        return -1.5 * np.cos(p).sum((1, 2)), force.reshape(len(x), -1)

    built_in, own = upg.targets.U1(lattice=[4, 4], beta=1.5), upg.Target(32, u1, domain="angles", shape=[2, 4, 4])
    runs = [trained(target, tmp_path / name, flow, steps=3, batch=5) for name, target in (("own", own), ("u1", built_in))]
    assert np.allclose(runs[0].metrics["loss"], runs[1].metrics["loss"], rtol=1e-9)
    assert runs[0].sample(3).shape == (3, 2, 4, 4)
    with pytest.raises(upg.ConfigError, match="angles"):
        upg.train(flow, upg.Target(32, u1), out=tmp_path / "numbers")


class Broken(Exception):
    """What nobody but a target raises."""


def failing_after(calls: int, what: Callable[[Array], Any]) -> upg.Target:
    made = 0

    def fails(x: Array) -> Any:
        nonlocal made
        made += 1
        return gmm(x) if made <= calls else what(x)

    return upg.Target(DOF, fails)


def test_an_exception_comes_through_and_the_checkpoint_stands(tmp_path: Path) -> None:
    def breaks(x: Array) -> Any:
        raise Broken("by intention")

    # Two calls for the check, three for a step.
    with pytest.raises(Broken, match="by intention") as raised:
        trained(failing_after(25, breaks), tmp_path / "run")
    frames = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert frames[-2:] == ["fails", "breaks"] and "trained" in frames
    run = upg.load(tmp_path / "run", target=upg.Target(DOF, gmm, name="failing_after.<locals>.fails"))
    assert len(run.sample(3, weights="latest")) == 3
    assert state(run.resume()) == state(trained(upg.Target(DOF, gmm), tmp_path / "whole"))
    with pytest.raises(Broken):
        upg.check_target(failing_after(0, breaks))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda x: gmm(x)[0], "returns ndarray: accepted are two, the action and the force"),
        (lambda x: (gmm(x)[0],), "returns 1 values: accepted are two"),
        (lambda x: (gmm(x)[0][:, None], -x), r"sample 0 of \d+: the action has the shape \[\d+, 1\]: accepted is \[\d+\] of float64"),
        (lambda x: (gmm(x)[0].sum(), -x), r"the action has the shape \[\]: accepted is"),
        (lambda x: (gmm(x)[0], gmm(x)[1][:, :5]), r"sample 0 of \d+: the force has the shape \[\d+, 5\]: accepted is \[\d+, 6\] of float64"),
        (lambda x: (gmm(x)[0], gmm(x)[1][1:]), r"the force has the shape \[\d+, 6\]: accepted is \[\d+, 6\]"),
        (lambda x: (gmm(x)[0] + 0j, -x), r"sample 0 of \d+: the action is .*j.*: accepted is \[\d+\] of float64"),
        (lambda x: ([0.0] + [None] * (len(x) - 1), -x), r"sample 1 of \d+: the action is None: accepted is"),
        (lambda x: (gmm(x)[0], [[0.0] * 6, [0.0] * 5] + [[0.0] * 6] * (len(x) - 2)), r"sample 1 of \d+: the force is of shape \[5\]: accepted"),
        (lambda x: (gmm(x)[0], None), "the force is NoneType"),
    ],
)
def test_wrong_answers_are_named(tmp_path: Path, answer: Callable[[Array], Any], told: str) -> None:
    with pytest.raises(upg.TargetError, match=told):
        trained(failing_after(0, answer), tmp_path / "run")


def test_other_numbers_are_converted(tmp_path: Path) -> None:
    runs = [
        trained(upg.Target(DOF, answer, check=False), tmp_path / name)
        for name, answer in {
            "plain": quartic,
            "lists": lambda x: [row.tolist() for row in quartic(x)],
            "order": lambda x: (quartic(x)[0][::-1].copy()[::-1], np.asfortranarray(quartic(x)[1])),
            "in_place": lambda x: (quartic(x.copy())[0], np.multiply(quartic(x)[1], 1.0, out=x)),
        }.items()
    ]
    assert all(state(run) == state(runs[0]) for run in runs)
    trained(upg.Target(DOF, lambda x: (quartic(x)[0].astype(np.float32), quartic(x)[1].astype(np.float32))), tmp_path / "single", steps=3)


def test_a_nan_skips_the_step_and_is_told_of(tmp_path: Path) -> None:
    made = 0

    def sometimes(x: Array) -> tuple[Array, Array]:
        nonlocal made
        made += 1
        action, force = gmm(x)
        if 30 < made < 40:
            action[1] = np.nan
        return action, force

    with pytest.warns(RuntimeWarning, match=r"target test_a_nan.*sometimes: sample \d+ of \d+, x = \[.*\]: the action is NaN \(told once\)"):
        run = trained(upg.Target(DOF, sometimes), tmp_path / "run")
    assert run.metrics["skipped"][-1] > 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning):
            trained(upg.Target(DOF, lambda x: (gmm(x)[0] * np.nan, gmm(x)[1]), check=False), tmp_path / "error")


def test_arrays_may_be_kept_and_changed(tmp_path: Path) -> None:
    kept: list[tuple[Array, Array]] = []

    def keeps(x: Array) -> tuple[Array, Array]:
        copy = x.copy()
        kept.append((x, copy))
        return gmm(x)

    def changes(x: Array) -> tuple[Array, Array]:
        answer = gmm(x)
        x[:] = np.nan
        return answer

    one, other = (trained(upg.Target(DOF, function), tmp_path / function.__name__) for function in (keeps, changes))
    assert state(one) == state(other) and len(kept) > 20
    assert all(np.array_equal(x, copy) for x, copy in kept)


def test_no_thread_waits_for_another(tmp_path: Path) -> None:
    """A busy thread of Python, calls from several threads, and a run inside of a call."""
    done = threading.Event()
    sums = [0]

    def busy() -> None:
        while not done.is_set():
            sums[0] += 1

    inner: list[upg.Run] = []

    def nests(x: Array) -> tuple[Array, Array]:
        assert threading.current_thread() is threading.main_thread()
        if not inner:
            inner.append(trained(upg.Target(DOF, quartic), tmp_path / "inner", threads=2))
        return gmm(x)

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        trained(upg.Target(DOF, nests), tmp_path / "outer", batch=3000, steps=4, threads=2)
    finally:
        done.set()
        thread.join()
    assert sums[0] > 1000 and inner[0].metrics["step"][-1] == 12


def test_two_trainings_at_once_have_a_target_each(tmp_path: Path) -> None:
    wholes = {name: trained(upg.Target(DOF, function, name="same"), tmp_path / f"{name}_alone") for name, function in (("one", gmm), ("other", quartic))}
    runs: dict[str, upg.Run] = {}

    def train(name: str, function: Callable[[Array], Any]) -> None:
        runs[name] = trained(upg.Target(DOF, function, name="same"), tmp_path / name)

    threads = [threading.Thread(target=train, args=args) for args in (("one", gmm), ("other", quartic))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: state(run) for name, run in runs.items()} == {name: state(run) for name, run in wholes.items()}


def interrupted(call: int) -> tuple[upg.Target, Callable[[], int]]:
    """A target in whose call of that number Ctrl-C comes."""
    made = 0

    def slow(x: Array) -> tuple[Array, Array]:
        nonlocal made
        made += 1
        if made == call:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return gmm(x)

    return upg.Target(DOF, slow), lambda: made


def test_ctrl_c_in_a_call_leaves_a_checkpoint_of_the_step(tmp_path: Path) -> None:
    target, _ = interrupted(30)
    with pytest.raises(KeyboardInterrupt, match=r"stopped after step (\d+): all is saved"):
        trained(target, tmp_path / "run", checkpoint={"every": 1000})
    run = upg.load(tmp_path / "run", target=target)
    assert 3 < run.metrics["step"][-1] < 12
    assert state(run.resume()) == state(trained(upg.Target(DOF, gmm), tmp_path / "whole", checkpoint={"every": 1000}))


def test_ctrl_c_stops_an_evaluation(tmp_path: Path) -> None:
    trained(upg.Target(DOF, gmm, name="interrupted.<locals>.slow"), tmp_path / "run")
    target, made = interrupted(2)
    with pytest.raises(KeyboardInterrupt):
        upg.load(tmp_path / "run", target=target).evaluate(samples=10**7)
    assert made() < 10
    target, made = interrupted(2)
    with pytest.raises(KeyboardInterrupt):
        upg.load(tmp_path / "run", target=target).sample_weighted(10**7)
    assert made() < 300


MODULE = '''
"""An energy in a file, with a neighbour."""
from neighbour import scale
import upg

def action_and_force(x):
    return scale * 0.5 * (x**2).sum(1), -scale * x

def energy(x):
    return 0.5 * (x**2).sum(1)

def broken(x):
    raise ArithmeticError("no\\nenergy")

target = upg.from_numpy(energy, lambda x: -x, dof=6, name="another")
'''


def config(target: str) -> str:
    return f'(flow: {FLOW.ron()}, target: Python({target}), training: (steps: 6, batch: 20, precision: F64), evaluation: (samples: 200, blocks: 10))'


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "energy.py").write_text(MODULE)
    (tmp_path / "neighbour.py").write_text("scale = 1.0\n")
    return tmp_path


def command(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("upg")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False, **options)


def test_a_file_on_the_command_line(module: Path) -> None:
    (module / "config.ron").write_text(config('module: "energy.py", dof: 6'))
    made = command("train", "--config", module / "config.ron", "--out", module / "run")
    assert made.returncode == 0, made.stderr
    made = command("evaluate", "--run", module / "run", cwd="/")
    assert made.returncode == 0, made.stderr
    run = upg.load(module / "run")
    assert run.sample(2).shape == (2, DOF)
    here = upg.train(FLOW, upg.targets.Python(module=module / "energy.py", dof=6), steps=6, batch=20, precision="F64", out=module / "here", evaluation={"samples": 200, "blocks": 10})
    assert state(here) == state(run)


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ('module: "none.py", dof: 6', "none.py: accepted is a file of Python that is there"),
        ('module: "energy.py", function: "nothing", dof: 6', "energy.py: accepted is a file with a function nothing: ArgumentError"),
        ('module: "energy.py", function: "target", dof: 5', "target.dof = 5: accepted is 6, as the target another has"),
        ('module: "energy.py", function: "target", dof: 6, force: FiniteDifferences', "target.force: accepted is Given, as the target another says"),
        ('module: "energy.py", function: "energy", dof: 6', "returns ndarray: accepted are two"),
        ('module: "energy.py", function: "broken", dof: 6', "ArithmeticError: no energy (energy.py, line 13)"),
        ('module: "neighbour.ron", dof: 6', "accepted is a file that ends with .py"),
        ('function: "lone", dof: 6', "target.function = lone: accepted is one that is handed in"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_a_line(module: Path, target: str, told: str) -> None:
    (module / "neighbour.ron").write_text("")
    (module / "config.ron").write_text(config(target))
    made = command("train", "--config", module / "config.ron", "--out", module / "run")
    assert made.returncode == 2 and told in made.stderr and made.stderr.count("\n") == 1, made.stderr
    assert not (module / "run").exists()


def test_files_with_targets_and_with_actions(module: Path) -> None:
    for target in ('function: "target"', 'function: "energy", force: FiniteDifferences'):
        text = f'Python(module: "{module}/energy.py", {target}, dof: 6)'
        assert upg.check_target(text).largest < 1
    with pytest.raises(ArithmeticError, match="no\nenergy"):
        upg.check_target(upg.targets.Python(module=module / "energy.py", function="broken", dof=6))


@pytest.mark.parametrize(
    "wrong",
    [{"dof": 0}, {"dof": "3"}, {"force": "none"}, {"domain": "links"}, {"action_and_force": 3}, {"action": 3}],
)
def test_targets_that_are_none(wrong: dict[str, Any]) -> None:
    told: dict[str, Any] = {"dof": 3, "action_and_force": quartic}
    with pytest.raises(upg.ArgumentError, match="accepted"):
        upg.Target(**(told | wrong))


def test_a_target_can_be_asked() -> None:
    target = upg.Target(2, quartic, name='a "name"\n')
    assert target.action([[1.0, 2.0]]).tolist() == [6.75]
    assert target.action_and_force(np.ones((3, 2)))[1].tolist() == [[-2.0, -2.0]] * 3
    assert repr(target) == 'upg.Target(2, a "name"\n)' and target != upg.Target(2, quartic, name='a "name"\n')
    with pytest.raises(upg.ArgumentError):
        target.action(np.ones((3, 3)))
    assert '"a \\"name\\"\\n"' in upg.check(upg.flows.RealNvp(lattice=[2], couplings=1, hidden=[2]), target)


def test_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")

    def energy(x: Any) -> Any:
        return (x**4 / 4 + x**2 / 2).sum(1)

    target = upg.from_torch(energy, DOF)
    assert upg.check_target(target).largest < 1
    run, other = trained(target, tmp_path / "torch"), trained(upg.Target(DOF, quartic), tmp_path / "numpy")
    assert np.allclose(run.metrics["loss"], other.metrics["loss"], rtol=1e-10)
    run.evaluate()
    single = upg.from_torch(energy, DOF, dtype=torch.float32)
    with torch.no_grad():
        trained(single, tmp_path / "single", steps=2)
    for wrong in (lambda x: energy(x).sum(), lambda x: energy(x)[:, None]):
        with pytest.raises(upg.TargetError, match=r"the energy has the shape .*: accepted is \[batch\]"):
            upg.check_target(upg.from_torch(wrong, DOF))
    with pytest.raises(RuntimeError, match="grad"):
        upg.check_target(upg.from_torch(lambda x: energy(x.detach()), DOF))


def test_jax(tmp_path: Path) -> None:
    jax = pytest.importorskip("jax")
    shapes = []

    def energy(x: Any) -> Any:
        shapes.append(x.shape)
        return (x**4 / 4 + x**2 / 2).sum()

    target = upg.from_jax(energy, DOF)
    assert upg.check_target(target).largest < 1
    run, other = trained(target, tmp_path / "jax"), trained(upg.Target(DOF, quartic), tmp_path / "numpy")
    assert np.allclose(run.metrics["loss"], other.metrics["loss"], rtol=1e-10)
    assert all(target.action(np.zeros((n, DOF))).shape == (n,) for n in range(1, 34))
    assert set(shapes) == {(DOF,)} and len(shapes) < 20
    assert upg.check_target(upg.from_jax(lambda x: (x**2).sum(1), DOF, batched=True)).largest < 1
    assert upg.check_target(upg.from_jax(energy, DOF, x64=False, name="single")).largest < 1
    assert jax.numpy.zeros(1).dtype == np.float32
    with pytest.raises(upg.TargetError, match="the energy has the shape"):
        upg.check_target(upg.from_jax(lambda x: x, DOF))


def test_turns_of_angles_are_compared(tmp_path: Path) -> None:
    flow = upg.flows.TorusSpline(lattice=[2], couplings=2, hidden=[4], bins=4)
    wrong = upg.Target(2, lambda x: (x.sum(1) ** 2 / 2, -x.sum(1, keepdims=True) * np.ones((1, 2))), domain="angles", name="parabola")
    right = upg.Target(2, lambda x: (-np.cos(x).sum(1), -np.sin(x)), domain="angles")
    assert upg.check_target(right).largest < 1
    for check in (lambda: upg.check_target(wrong), lambda: upg.train(flow, wrong, steps=1, batch=4, out=tmp_path / "run")):
        with pytest.raises(upg.ConfigError, match=r"whose action has the period 2 pi in every angle: at sample 0.* after turns of angle 0"):
            check()
    upg.train(flow, right, steps=1, batch=4, out=tmp_path / "run")


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(upg.ArgumentError, match="samples = 0: accepted is a whole number, at least 1"):
        upg.check_target(upg.Target(DOF, quartic), samples=0)
    with pytest.raises(upg.ArgumentError, match=r"points of shape \[2, 2, 6\]: accepted is \[points, dof\]"):
        upg.check_target(upg.Target(DOF, quartic), points=np.zeros((2, 2, DOF)))


def test_a_chain_of_samples_without_weight_is_refused() -> None:
    flow = upg.Flow(FLOW, upg.Target(DOF, lambda x: (np.full(len(x), np.inf), 0 * x), check=False))
    with pytest.raises(upg.DivergedError, match="log_weight has the value -inf at"):
        flow.sample(5, metropolis=True)


def test_an_infinite_action_is_the_target_s(tmp_path: Path) -> None:
    with pytest.raises(upg.DivergedError, match="the action of the target is not finite where the flow ends"):
        trained(upg.Target(DOF, lambda x: (np.full(len(x), np.inf), -x), check=False), tmp_path / "run", steps=40)


def test_the_header_comes_along() -> None:
    header = Path(upg.get_include()) / "upg_target.h"
    assert "upg_target_version" in header.read_text()
