"""The command that the wheel installs."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = Path(sys.executable).with_name("upg")
CONFIG = """(
    flow: RealNvp(lattice: [4], couplings: 2, hidden: [7]), target: Gmm(dim: 4),
    training: (steps: 1000000000, batch: 4),
)"""


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_help_version_and_statuses() -> None:
    assert run("--version").stdout.startswith("upg ") and run("--version").returncode == 0
    assert "Usage: upg" in run("train", "--help").stdout
    assert "RealNvp" in run("flows").stdout
    wrong = run("train", "--config", "nowhere.ron")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and wrong.stderr.startswith("error: ")
    assert run("nothing").returncode == 2
    module = subprocess.run([sys.executable, "-m", "upg", "--version"], capture_output=True, text=True, check=False)
    assert module.stdout == run("--version").stdout


def test_the_runs_of_a_sweep_are_processes_of_this_package(tmp_path: Path) -> None:
    (tmp_path / "config.ron").write_text(CONFIG.replace("1000000000", "20"))
    config, out = tmp_path / "config.ron", tmp_path / "sweep"
    done = run("sweep", "--config", config, "--out", out, "--grid", "training.batch=[4, 8]", "--seeds", 2)
    assert done.returncode == 0 and done.stderr.count(": done") == 4, done.stderr
    assert "batch" in done.stdout and (out / "sweep.json").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_answered_by_the_command(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "config.ron").write_text(CONFIG)
    arguments = ["train", "--config", str(tmp_path / "config.ron"), "--out", str(tmp_path / "run")]
    program = subprocess.Popen([PROGRAM, *arguments], stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "run" / "metrics.jsonl").exists():
        assert program.poll() is None
        time.sleep(0.05)
    time.sleep(0.5)
    program.send_signal(number)
    _, told = program.communicate(timeout=60)
    assert program.returncode == 1 and f"stopped by {number.name} after step" in told and "Traceback" not in told
