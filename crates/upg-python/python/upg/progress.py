"""One plain line about a training, in terminals and notebooks."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

EVERY = 0.5
"""Seconds between two looks at what is logged."""


class Progress:
    """Shows the last logged step of a run while something else trains it; ``wanted=None``: where a person looks on."""

    def __init__(self, folder: Path, steps: int | None, wanted: bool | None) -> None:
        self.metrics, self.steps = folder / "metrics.jsonl", steps
        self.shows = sys.stderr is not None and (_someone_looks_on() if wanted is None else wanted)
        self.before, self.width = self._stamp(), 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        if self.shows:
            self.thread.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.ended.set()
        if self.shows:
            self.thread.join()
            self._show()
            if self.width > 0:
                self._print("\n")

    def _watch(self) -> None:
        while not self.ended.wait(EVERY):
            self._show()

    def _show(self) -> None:
        stamp = self._stamp()
        if stamp == self.before or stamp is None:
            return
        try:
            lines = self.metrics.read_text().splitlines()
            text = told(json.loads(lines[-1]), self.steps)
        except (OSError, ValueError, IndexError):  # it is being written
            return
        self.before = stamp
        self._print("\r" + text.ljust(self.width))
        self.width = len(text)

    @staticmethod
    def _print(text: str) -> None:
        with contextlib.suppress(Exception):  # a line that can't be shown ends no training
            print(text, end="", file=sys.stderr, flush=True)

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self.metrics.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size


def told(line: dict[str, Any], steps: int | None) -> str:
    """A logged step in words, those of the command."""
    of = "" if steps is None else f"/{steps}"
    ess = line.get("ess_reverse") if line.get("ess_reverse") is not None else line.get("ess_forward")
    numbers = [("loss", line.get("loss"), ".4f"), ("ESS", ess, ".3f")]
    words = [f"{name} {format(value, digits) if value is not None else '-'}" for name, value, digits in numbers]
    if line.get("samples_per_second") is not None:
        words.append(f"{line['samples_per_second']:.0f} samples/s")
    return "  ".join([f"step {line.get('step')}{of}", *words])


def steps_in(config: str) -> int | None:
    """The steps of the training, in a configuration with every default spelled out."""
    found = re.search(r"training: ?\(.*?\bsteps: ?(\d+)", config, re.DOTALL)
    return None if found is None else int(found[1])


def _someone_looks_on() -> bool:
    """Whether what is said appears in a terminal, or in a notebook."""
    if sys.stderr is not None and sys.stderr.isatty():
        return True
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"
