"""Trainings step by step."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_target import DOF, FLOW, gmm, interrupted, state

import upg

TOLD: dict[str, Any] = {"steps": 9, "batch": 40, "precision": "F64", "validation": {"every": 4, "samples": 50}, "checkpoint": {"every": 5}, "log_every": 2}


@pytest.mark.parametrize("target", [upg.targets.Gmm(dim=DOF), upg.Target(DOF, gmm)], ids=["built in", "own"])
def test_the_run_is_that_of_a_training(tmp_path: Path, target: Any) -> None:
    whole = upg.train(FLOW, target, out=tmp_path / "whole", **TOLD)
    with upg.Trainer(FLOW, target, out=tmp_path / "run", **TOLD) as trainer:
        made = list(trainer)
        assert trainer.is_done and [metrics["step"] for metrics in made] == list(range(1, 10))
        with pytest.raises(upg.ArgumentError, match="all steps of the training are made"):
            trainer.step()
    assert state(trainer.run) == state(whole)
    metrics = whole.metrics
    for n, step in enumerate(metrics["step"]):
        of_step = made[int(step) - 1]
        for name in set(metrics) - {"seconds", "samples_per_second"}:
            assert np.array_equal(metrics[name][n], of_step.get(name, np.nan), equal_nan=True), name
    assert trainer.run.metrics["step"].tolist() == metrics["step"].tolist() == [2, 4, 6, 8, 9]
    assert trainer.run.evaluate(samples=200)["log_z"] == whole.evaluate(samples=200)["log_z"]


def test_a_trainer_saves_stops_and_goes_on(tmp_path: Path) -> None:
    target = upg.Target(DOF, gmm)
    whole = upg.train(FLOW, target, out=tmp_path / "whole", **TOLD)
    trainer = upg.Trainer(FLOW, target, out=tmp_path / "run", **TOLD)
    for _ in range(3):
        trainer.step()
    trainer.save()
    assert trainer.run.sample(3, weights="latest").shape == (3, DOF)
    with pytest.raises(upg.RunError):
        upg.train(FLOW, target, out=tmp_path / "run", force=True, **TOLD)
    trainer.close()
    with pytest.raises(upg.ArgumentError, match="closed"):
        trainer.step()
    with upg.Trainer.resume(trainer.run) as trainer:
        for metrics in trainer:
            if metrics["step"] == 6:
                break
    with pytest.raises(upg.ConfigError, match="handed in"):
        upg.Trainer.resume(tmp_path / "run")
    with upg.Trainer.resume(tmp_path / "run", target=target) as trainer:
        assert next(iter(trainer))["step"] == 7
    assert state(upg.load(tmp_path / "run", target=target).resume()) == state(whole)


def test_ctrl_c_lets_the_step_be_made(tmp_path: Path) -> None:
    target, _ = interrupted(20)
    with upg.Trainer(FLOW, target, out=tmp_path / "run", **TOLD) as trainer:
        with pytest.raises(KeyboardInterrupt):
            for _ in trainer:
                pass
        assert trainer.step()["step"] > 5
    run = upg.load(tmp_path / "run", target=target)
    assert state(run.resume()) == state(upg.train(FLOW, upg.Target(DOF, gmm), out=tmp_path / "whole", **TOLD))


def test_what_a_target_raises(tmp_path: Path) -> None:
    fails = False

    def sometimes(x: Any) -> Any:
        return (gmm(x)[0], 1 / 0) if fails else gmm(x)

    trainer = upg.Trainer(FLOW, upg.Target(DOF, sometimes), out=tmp_path / "run", **TOLD)
    trainer.step()
    fails = True
    with pytest.raises(ZeroDivisionError):
        trainer.step()
    fails = False
    with pytest.raises(upg.ArgumentError, match="ended by an error: accepted is upg.Trainer.resume"):
        trainer.step()
    trainer.close()


def test_one_thread_at_a_time(tmp_path: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def waits(x: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            go_on.wait(20)
        return gmm(x)

    with upg.Trainer(FLOW, upg.Target(DOF, waits), out=tmp_path / "run", **TOLD) as trainer:
        other = threading.Thread(target=trainer.step)
        other.start()
        inside.wait(20)
        with pytest.raises(upg.ArgumentError, match="at work: accepted is one call at a time"):
            trainer.step()
        go_on.set()
        other.join()
        assert trainer.step()["step"] == 2


def test_signals_between_steps_are_those_of_python(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), upg.Trainer(FLOW, upg.targets.Gmm(dim=DOF), out=tmp_path / "run", **TOLD) as trainer:
        for metrics in trainer:
            if metrics["step"] == 3:
                os.kill(os.getpid(), signal.SIGINT)
    assert upg.load(tmp_path / "run").sample(1, weights="latest").shape == (1, DOF)


def test_what_a_trainer_tells_at_its_end(tmp_path: Path) -> None:
    with upg.Trainer(FLOW, upg.targets.Gmm(dim=DOF), out=tmp_path / "run", **TOLD) as trainer:
        seconds = [metrics["seconds"] for metrics in trainer]
    assert trainer.is_done and all(before < after for before, after in zip(seconds, seconds[1:], strict=False))
    with upg.Trainer(FLOW, upg.targets.Gmm(dim=DOF), out=tmp_path / "other", **TOLD) as trainer:
        trainer.step()
    assert not trainer.is_done


def test_a_trainer_whose_target_has_failed_is_over(tmp_path: Path) -> None:
    calls = []

    def fails(x: Any) -> Any:
        calls.append(len(x))
        if len(calls) == 9:
            with pytest.raises(upg.ArgumentError, match="at work: accepted is to close it between steps"):
                trainer.close()
            raise ZeroDivisionError
        return gmm(x)

    with pytest.raises(ZeroDivisionError), upg.Trainer(FLOW, upg.Target(DOF, fails, check=False), out=tmp_path / "run", **TOLD) as trainer:
        try:
            list(trainer)
        finally:
            with pytest.raises(upg.ArgumentError, match="ended by an error: accepted is upg.Trainer.resume"):
                trainer.step()
