"""The line about a training."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

import upg

FLOW = upg.flows.RealNvp(lattice=[4], couplings=2, hidden=[7])
TARGET = upg.targets.Gmm(dim=4)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def trained(out: Path, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, progress: bool | None, steps: int = 50) -> str:
    monkeypatch.setattr("sys.stderr", stream)
    upg.train(FLOW, TARGET, steps=steps, batch=8, out=out, progress=progress, force=True)
    return stream.getvalue()


def test_it_shows_where_someone_looks_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    assert trained(out, monkeypatch, io.StringIO(), None) == ""
    assert trained(out, monkeypatch, Terminal(), False) == ""
    for stream, progress in ((Terminal(), None), (io.StringIO(), True)):
        told = trained(out, monkeypatch, stream, progress)
        assert "step 50/50  loss " in told and told.endswith("samples/s\n") and told.count("\n") == 1, told


def test_it_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("upg.progress.EVERY", 0.01)
    told = trained(tmp_path / "run", monkeypatch, Terminal(), None, steps=3000)
    assert told.count("\r") > 2 and told.count("\n") == 1


def test_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = upg.train(FLOW, TARGET, steps=40, batch=8, out=tmp_path / "run", stop_after=20)
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("upg.progress.EVERY", 0.0)
    run.resume()
    assert "step 40/40" in stream.getvalue() and "step 20" not in stream.getvalue()
