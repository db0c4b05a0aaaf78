"""Runs from Python are those of the command, to the bit."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import upg

FLOW = upg.flows.RealNvp(lattice=[4, 2], couplings=2, hidden=[7], transform=upg.transforms.Affine(clamp=2.0))
TARGET = upg.targets.Phi4(lattice=[4, 2], kappa=0.2, lambda_=0.1)
CONFIG = """(
    flow: RealNvp(lattice: [4, 2], couplings: 2, hidden: [7], transform: Affine(clamp: 2.0)),
    target: Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.1),
    training: (steps: 30, batch: 16, seed: 5, optimiser: Adam(rate: 0.01), validation: (every: 10, samples: 20)),
    evaluation: (samples: 500, blocks: 10),
)"""


def trained(out: Path, **others: Any) -> upg.Run:
    return upg.train(
        FLOW,
        TARGET,
        steps=30,
        batch=16,
        seed=5,
        optimiser=upg.optimisers.Adam(rate=0.01),
        validation={"every": 10, "samples": 20},
        evaluation={"samples": 500, "blocks": 10},
        out=out,
        **others,
    )


def command(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("upg")
    return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, check=False, **options)


def tensors(path: Path) -> dict[str, bytes]:
    """The bytes of a safetensors file by tensor: of weights and moments, but not of the seconds that the run took."""
    held = path.read_bytes()
    begin = 8 + int.from_bytes(held[:8], "little")
    ranges = {name: at["data_offsets"] for name, at in json.loads(held[8:begin]).items() if name != "__metadata__"}
    found = {name: held[begin + first : begin + end] for name, (first, end) in ranges.items()}
    return {name: of for name, of in found.items() if name not in ("state.progress", "state.checksum")}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[upg.Run, Path]:
    """A run from Python and one of the command."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "config.ron").write_text(CONFIG)
    made = command("train", "--config", folder / "config.ron", "--out", folder / "command")
    assert made.returncode == 0, made.stderr
    return trained(folder / "python"), folder / "command"


def test_a_run_is_that_of_the_command(runs: tuple[upg.Run, Path]) -> None:
    run, other = runs
    assert run.config == upg.load(other).config
    assert len(tensors(run.path / "checkpoint.safetensors")) == 24
    assert tensors(run.path / "checkpoint.safetensors") == tensors(other / "checkpoint.safetensors")
    assert tensors(run.path / "checkpoint.best.safetensors") == tensors(other / "checkpoint.best.safetensors")


def test_a_run_that_stopped_goes_on_to_the_bit(runs: tuple[upg.Run, Path], tmp_path: Path) -> None:
    stopped = trained(tmp_path / "run", stop_after=13)
    assert tensors(stopped.path / "checkpoint.safetensors") != tensors(runs[1] / "checkpoint.safetensors")
    run = stopped.resume()
    assert tensors(run.path / "checkpoint.safetensors") == tensors(runs[1] / "checkpoint.safetensors")


def test_samples_and_densities_are_those_of_the_command(runs: tuple[upg.Run, Path], tmp_path: Path) -> None:
    run, other = runs
    x, log_weights = run.sample_weighted(50, seed=3)
    files = [tmp_path / "x.npy", tmp_path / "w.npy", tmp_path / "q.npy"]
    made = command("sample", "--run", other, "-n", 50, "--seed", 3, "--out", files[0], "--log-weights", files[1])
    assert made.returncode == 0, made.stderr
    assert x.shape == (50, 4, 2) and x.dtype == np.float32
    assert np.array_equal(x, np.load(files[0])) and np.array_equal(log_weights, np.load(files[1]))
    assert np.array_equal(run.sample(20, 3, first=30), x[30:])
    made = command("log-prob", "--run", other, "--samples", files[0], "--out", files[2])
    assert made.returncode == 0, made.stderr
    assert np.array_equal(run.log_prob(x), np.load(files[2]))
    assert np.array_equal(run.log_prob(x.reshape(50, 8)), run.log_prob(x))
    assert np.array_equal(run.log_prob(np.asfortranarray(x)), run.log_prob(x))
    assert np.array_equal(run.log_prob(x.astype(float)), run.log_prob(x))
    assert np.allclose(run.log_prob(x, dtype=float), run.log_prob(x), atol=1e-4)
    assert run.sample(3, dtype=np.float64).dtype == np.float64
    assert len(np.unique(run.sample(200, metropolis=True), axis=0)) < 200


def test_what_the_log_prob_is_of_is_what_was_drawn(runs: tuple[upg.Run, Path]) -> None:
    run, _ = runs
    x, log_weights = run.sample_weighted(100, dtype=float)
    phi = x.reshape(100, 4, 2)
    neighbours = sum(phi * np.roll(phi, 1, axis) for axis in (1, 2))
    action = (-2 * 0.2 * neighbours + (1 - 2 * 0.1) * phi**2 + 0.1 * phi**4).sum((1, 2))
    assert np.allclose(log_weights, -action - run.log_prob(x, dtype=float), atol=1e-9)


def test_angles_are_taken_modulo_a_turn(tmp_path: Path) -> None:
    flow = upg.flows.U1(lattice=[4, 4], layers=2, mixtures=2, hidden=[3])
    run = upg.train(flow, upg.targets.U1(lattice=[4, 4], beta=1.0), steps=2, batch=4, out=tmp_path / "run", precision="F64")
    x = run.sample(5)
    before = x.copy()
    assert x.shape == (5, 2, 4, 4)
    assert np.allclose(run.log_prob(x + 2 * np.pi), run.log_prob(x), atol=1e-9) and np.array_equal(x, before)


def test_evaluation_metrics_and_report(runs: tuple[upg.Run, Path], tmp_path: Path) -> None:
    run, other = runs
    summary = run.evaluate()
    assert run.summary == summary
    assert command("evaluate", "--run", other).returncode == 0
    theirs = upg.load(other).summary
    assert theirs is not None
    assert {k: v for k, v in summary.items() if k not in ("provenance", "files", "checksum")} == {
        k: v for k, v in theirs.items() if k not in ("provenance", "files", "checksum")
    }
    metrics = run.metrics
    assert metrics["step"].tolist() == [10, 20, 30] and np.isfinite(metrics["loss"]).all()
    assert np.isnan(metrics["ess_forward"]).all() and "validation.loss" in metrics
    page = run.report(tmp_path / "page.html")
    assert "<html" in page.read_text()


def test_errors_are_the_lines_of_the_command(runs: tuple[upg.Run, Path], tmp_path: Path) -> None:
    run, _ = runs
    config = tmp_path / "config.ron"
    config.write_text(CONFIG.replace("couplings: 2", "couplings: 0"))
    told = command("config", "check", config).stderr
    with pytest.raises(upg.ConfigError) as refused:
        upg.check(upg.flows.RealNvp(lattice=[4, 2], couplings=0, hidden=[7]), TARGET)
    assert str(refused.value).startswith("flow.couplings = 0: accepted is") and str(refused.value) in told
    with pytest.raises(upg.ConfigError, match=r"missing.*couplings"):
        upg.train("RealNvp(lattice: [4, 2], hidden: [7])", TARGET, out=tmp_path / "none")
    assert not (tmp_path / "none").exists()
    with pytest.raises(upg.ConfigError, match="training.batch"):
        upg.check(FLOW, TARGET, batch=0)
    with pytest.raises(upg.RunError):
        upg.load(tmp_path / "nowhere")
    with pytest.raises(upg.RunError):
        trained(run.path)
    for refuse in (
        lambda: run.sample(0),
        lambda: run.sample(1, device="gpu"),
        lambda: run.sample(1, threads=0),
        lambda: run.sample(1, dtype=np.float16),
        lambda: run.log_prob(np.zeros((3, 5))),
        lambda: run.evaluate(samples=1),
    ):
        with pytest.raises(upg.ArgumentError, match="accepted") as line:
            refuse()
        assert "\n" not in str(line.value) and not str(line.value).startswith("-")


def test_a_device_that_is_not_there(runs: tuple[upg.Run, Path]) -> None:
    with pytest.raises(upg.UpgError):
        runs[0].sample(1, device="cuda:99")


def test_ctrl_c_leaves_a_checkpoint(tmp_path: Path) -> None:
    threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt, match="all is saved"):
        upg.train(FLOW, TARGET, steps=10**9, batch=4, out=tmp_path / "run")
    run = upg.load(tmp_path / "run")
    assert run.sample(2, weights="latest").shape == (2, 4, 2)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("data", ["(hmc: (warm_up: 1000000000))", "(train: Draw(10000000), hmc: (chains: 10, thin: 1))"])
def test_ctrl_c_while_data_are_drawn(data: str, tmp_path: Path) -> None:
    threading.Timer(1.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        upg.train(FLOW, TARGET, objective="Forward(PathFast)", steps=1, batch=4, data=data, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_other_threads_run_meanwhile(tmp_path: Path) -> None:
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.001)

    thread = threading.Thread(target=tick)
    thread.start()
    try:
        upg.train(FLOW, TARGET, steps=1000, batch=64, out=tmp_path / "run")
    finally:
        done.set()
        thread.join()
    assert len(ticks) > 10


def test_damaged_files_are_told_of(tmp_path: Path) -> None:
    run = upg.train(FLOW, TARGET, steps=6, batch=4, log_every=1, out=tmp_path / "run")
    whole, path = run.metrics, run.path / "metrics.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines)[:-10])
    assert np.array_equal(run.metrics["step"], whole["step"][:-1])
    for damage in (b"\xff\n", b"[1]\n", b"{\n", b"[" * 100_000 + b"\n"):
        path.write_bytes(b"".join([*lines[:2], damage, *lines[3:]]))
        with pytest.warns(RuntimeWarning, match="line 3 is damaged, and left out"):
            assert np.array_equal(run.metrics["step"], np.delete(whole["step"], 2))
    run.evaluate(samples=100)
    for wrong in (b"", b"[]", b"\xff", b"{"):
        (run.path / "summary.json").write_bytes(wrong)
        with pytest.raises(upg.RunError, match="damaged: accepted is what"):
            run.summary  # noqa: B018
    shutil.rmtree(run.path)
    with pytest.raises(upg.RunError, match="missing: accepted is the folder of a run"):
        run.metrics  # noqa: B018


def test_arrays_are_data(tmp_path: Path) -> None:
    samples, _ = upg.hmc(TARGET, 500)
    told: dict[str, Any] = {"objective": "Forward(PathFast)", "steps": 5, "batch": 16}
    np.save(tmp_path / "train.npy", samples)
    files = upg.train(FLOW, TARGET, data={"train": upg.sources.File(tmp_path / "train.npy"), "test": upg.sources.Draw(100)}, out=tmp_path / "files", **told)
    run = upg.train(FLOW, TARGET, data={"train": samples, "test": upg.sources.Draw(100)}, out=tmp_path / "run", **told)
    assert tensors(run.path / "checkpoint.safetensors") == tensors(files.path / "checkpoint.safetensors")
    flat = samples.reshape(500, 8).astype(np.float64)
    with upg.Trainer(FLOW, TARGET, data={"train": flat}, out=tmp_path / "flat", **told) as trainer:
        list(trainer)
    assert np.array_equal(trainer.run.metrics["loss"], run.metrics["loss"])
    kept = (run.path / "given_train.npy").read_bytes()
    with pytest.raises(upg.RunError, match=r"holds a run already: accepted are upg.load\(out\).resume\(\), force=True, or another folder"):
        upg.train(FLOW, TARGET, data={"train": samples[:100]}, out=run, **told)
    assert (run.path / "given_train.npy").read_bytes() == kept
    assert upg.load(run).resume(stop_after=5).path == run.path
    for wrong in (samples[0, 0, 0], "abc", samples + 1j):
        with pytest.raises(upg.UpgError, match="accepted|expected"):
            upg.train(FLOW, TARGET, data={"train": wrong}, out=tmp_path / "wrong", **told)
