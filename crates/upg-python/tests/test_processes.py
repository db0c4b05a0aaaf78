"""Forks, and interpreters that end while something is under way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import upg

FLOW = upg.flows.RealNvp(lattice=[4], couplings=2, hidden=[8])
TARGET = upg.targets.Phi4(lattice=[4], kappa=0.1, lambda_=0.1)


def status_of_child(work: Any) -> int:
    """How a fork of this process ends that does some work: 0 if that is done, 14 if it hangs."""
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            work()
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitpid(child, 0)[1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_makes_its_own_flows(tmp_path: Path) -> None:
    flow = upg.Flow(FLOW, TARGET)
    run = upg.train(FLOW, TARGET, steps=2, batch=8, out=tmp_path / "run")
    before = (flow.sample(10), run.sample(10))

    def refused() -> None:
        with pytest.raises(upg.ArgumentError, match="made before this process was forked: accepted is one that is made here"):
            flow.sample(10)

    def anew() -> None:
        assert (run.sample(10) == before[1]).all()
        assert (upg.Flow(FLOW, TARGET).sample(10) == before[0]).all()

    assert status_of_child(refused) == 0
    assert status_of_child(anew) == 0


SCRIPT = """
import os, signal, sys, threading, time
import numpy as np
import upg

def energy(x):
    if {forks} and os.fork() == 0:
        signal.alarm(20)
        raise ValueError("in the child")
    return (x**2).sum(1) / 2, -x

flow = upg.flows.RealNvp(lattice=[4], couplings=2, hidden=[8])
target = upg.Target(4, energy, check=False)
if {forks}:
    upg.train(flow, target, steps=1, batch=8, out=sys.argv[1])
    print("done", os.wait()[1])
else:
    run = upg.train(flow, target, steps=3, batch=8, out=sys.argv[1])
    work = {{
        "evaluate": lambda: run.evaluate(samples=10**8),
        "sample": lambda: run.sample_weighted(10**7),
        "train": lambda: upg.train(flow, target, steps=10**8, batch=8, out=sys.argv[1] + "_long"),
    }}[sys.argv[2]]

    def at_work():
        try:
            work()
        except SystemExit as ended:
            os.write(1, b"told: " + str(ended).encode())

    threading.Thread(target=at_work, daemon=True).start()
    time.sleep(0.3)
"""


@pytest.mark.parametrize("work", ["evaluate", "sample", "train"])
def test_an_interpreter_ends_while_a_daemon_thread_computes(work: str, tmp_path: Path) -> None:
    for attempt in range(3):
        ended = subprocess.run(
            [sys.executable, "-c", SCRIPT.format(forks=False), str(tmp_path / f"run{attempt}"), work], capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == "told: the interpreter ends"
    if work == "train":
        assert upg.load(tmp_path / "run0_long", target=upg.Target(4, len, name="energy")).path.joinpath("checkpoint.safetensors").exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
def test_a_fork_that_comes_back_from_a_function_ends(tmp_path: Path) -> None:
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", SCRIPT.format(forks=True), str(tmp_path / "run")], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("done") and "forked came back from there: accepted is os._exit" in ended.stderr
