"""HMC, noise of estimators: the numbers of the commands; Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import upg

FLOW = upg.flows.RealNvp(lattice=[4, 2], couplings=2, hidden=[7])
TARGET = upg.targets.Phi4(lattice=[4, 2], kappa=0.2, lambda_=0.1)
HMC = "(hmc: (chains: 8, warm_up: 10, thin: 2, length: 1.5))"


def command(*arguments: object) -> str:
    program = Path(sys.executable).with_name("upg")
    made = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> upg.Run:
    out = tmp_path_factory.mktemp("runs") / "run"
    return upg.train(FLOW, TARGET, steps=10, batch=16, seed=5, data=HMC, out=out)


def test_hmc_is_that_of_the_command(run: upg.Run, tmp_path: Path) -> None:
    config = tmp_path / "config.ron"
    config.write_text(run.config)
    command("hmc", "--config", config, "--out", tmp_path / "hmc", "--samples", 50, "--seed", 3)
    theirs, numbers = np.load(tmp_path / "hmc" / "samples.npy"), json.loads((tmp_path / "hmc" / "hmc.json").read_text())
    for x, summary in (
        run.hmc(50, 3),
        upg.hmc(TARGET, 50, 3, chains=8, warm_up=10, thin=2, length=1.5),
        upg.hmc(TARGET, 50, 3, chains=8, warm_up=10, thin=2, length=1.5, threads=1),
    ):
        assert np.array_equal(x, theirs) and x.shape == (50, 4, 2) and x.dtype == np.float32
        assert {name: summary[name] for name in ("samples", "chains", "tau_int", "observables", "warnings")} == {
            name: numbers[name] for name in ("samples", "chains", "tau_int", "observables", "warnings")
        }
    assert (run.path / "hmc" / "hmc.json").exists()
    x, summary = upg.hmc(upg.targets.Gmm(dim=3), 100, dtype=float)
    assert x.shape == (100, 3) and x.dtype == np.float64 and summary["chains"] is None


def test_noise_is_that_of_the_command(run: upg.Run, tmp_path: Path) -> None:
    noise = run.variance(repetitions=20, batch=8, out=tmp_path)
    command("variance", "--run", run.path, "--repetitions", 20, "--batch", 8, "--out", tmp_path / "theirs")
    theirs = json.loads((tmp_path / "theirs" / "variance.json").read_text())
    assert noise["estimators"] == theirs["estimators"] and noise["batch"] == 8
    assert {of["estimator"] for of in noise["estimators"]} >= {"reparam", "path-fast"}


def test_tables_are_those_of_the_command() -> None:
    assert upg.flow_table([8, 4]) == json.loads(command("flows", "--lattice", "8,4", "--json"))
    assert upg.flow_info("Glow", [8]) == json.loads(command("flows", "Glow", "--lattice", "8", "--json"))
    assert upg.schema().strip() == command("config", "schema").strip()


def test_what_is_checked_is_what_the_command_checks(tmp_path: Path) -> None:
    with pytest.raises(upg.ConfigError, match="^target"):
        upg.check(FLOW, upg.targets.Gmm(dim=3))
    with pytest.raises(upg.UpgError, match="none.npy"):
        upg.check(FLOW, TARGET, data={"train": upg.sources.File(str(tmp_path / "none.npy"))})


def test_wrong_arguments_are_told_in_a_line(run: upg.Run) -> None:
    for refuse in (
        lambda: upg.hmc(TARGET, 0),
        lambda: upg.hmc(TARGET, -1),
        lambda: upg.hmc(TARGET, 5, -1),
        lambda: upg.metropolis([0.0], -1),
        lambda: run.hmc(-1),
        lambda: run.variance(batch=-1),
        lambda: upg.hmc(TARGET, 5, threads=0),
        lambda: upg.hmc(TARGET, 5, dtype=int),
        lambda: upg.hmc(TARGET, 5, chains=0),
        lambda: upg.hmc("Gmm(dim: 0)", 5),
        lambda: upg.hmc("None", 5),
        lambda: run.hmc(0),
        lambda: run.variance(repetitions=3),
        lambda: run.variance(batch=0),
        lambda: run.variance(weights="none"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValueError, match=r"[aA]ccepted|[eE]xpected") as line:
            refuse()
        assert isinstance(line.value, upg.UpgError) and "\n" not in str(line.value), str(line.value)
        assert not str(line.value).startswith(("-", "config:")), str(line.value)


def test_ctrl_c_ends_whatever_is_done(run: upg.Run, tmp_path: Path) -> None:
    long = 10**9
    works: list[Callable[[], object]] = [
        lambda: run.evaluate(samples=long, out=tmp_path),
        lambda: run.variance(repetitions=2**31, out=tmp_path),
        lambda: run.hmc(long, out=tmp_path),
        lambda: upg.hmc("Phi4(lattice: [64, 64], kappa: 0.2, lambda: 0.1)", 10_000, chains=8, warm_up=1, thin=10**6),
        lambda: upg.hmc("U1(lattice: [16, 16], beta: 2.0)", 10, chains=10, warm_up=10**6),
        lambda: run.flow.gradient(batch=1) and run.flow.log_prob(np.zeros((10**6, 8), np.float32)) and run.flow.sample(10**7),
    ]
    for work in works:
        threading.Timer(0.4, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        begin = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            work()
        assert time.monotonic() - begin < 5
    assert not list(tmp_path.rglob("*.json")) and not list(tmp_path.rglob("*.npy"))


def test_a_calibration_is_that_of_the_command(run: upg.Run, tmp_path: Path) -> None:
    found = run.calibrate(samples=[200], runs=3, out=tmp_path / "python")
    command("calibrate", "--run", run.path, "--samples", 200, "--runs", 3, "--out", tmp_path / "command")
    assert found == json.loads((tmp_path / "command" / "calibration.json").read_text())
    assert found["samples"]["200"]["numbers"][0]["evaluations"] == 3
    for wrong in (1, 10**7):
        with pytest.raises(upg.ArgumentError, match="runs = .* accepted is"):
            run.calibrate(runs=wrong)
