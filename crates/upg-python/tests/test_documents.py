"""What the documents show runs: the lines of the README and of docs/python.md, the examples, the notebook."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def python_of(document: str, heading: str) -> str:
    """The first piece of Python behind a heading."""
    text = (ROOT / document).read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", text[text.index(heading) :], re.DOTALL)
    assert found is not None
    return found[1]


def run(*arguments: object, folder: Path) -> str:
    done = subprocess.run([sys.executable, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_lines_of_the_readme(tmp_path: Path) -> None:
    lines = python_of("README.md", "## From Python")
    assert len(lines.strip().splitlines()) <= 12
    assert "log Z" in run("-c", lines, folder=tmp_path)
    assert (tmp_path / "runs/phi4/report.html").exists()


def test_the_lines_of_the_manual(tmp_path: Path) -> None:
    lines = python_of("docs/python.md", "# upg from Python")
    assert "steps=2000" in lines
    run("-c", lines.replace("steps=2000", "steps=50") + "\nassert log_q.shape == (1000,)", folder=tmp_path)


def test_phi4(tmp_path: Path) -> None:
    told = run(ROOT / "examples/python/phi4.py", tmp_path / "run", folder=tmp_path)
    ess = re.search(r"reverse ESS ([0-9.]+)", told)
    assert ess is not None and float(ess[1]) > 0.9
    values = [float(value) for value in re.findall(r"susceptibility ([0-9.]+)", told)]
    assert len(values) == 2 and abs(values[0] - values[1]) < 0.1 * values[0]


def test_the_notebook(tmp_path: Path) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    path = ROOT / "examples/python/first_steps.ipynb"
    assert all(not cell.get("outputs") for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]), "kept without outputs"
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    told = "".join(output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", []))
    ess = re.search(r"reverse ESS ([0-9.]+)", told)
    assert "-S - log q: True" in told and ess is not None and float(ess[1]) > 0.6
