"""The examples with targets of one's own, shortened."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import upg

EXAMPLES = Path(__file__).parents[3] / "examples" / "python"


def example(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_logistic_regression(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = example("logistic_regression")
    found = module.main(out=str(tmp_path / "run"), steps=800)
    told = capsys.readouterr().out
    assert "effective sample size" in told and len(told.splitlines()) == 13
    # The posterior is nearly normal about its maximum, which Newton's method finds.
    w = np.zeros((1, module.FEATURES))
    for _ in range(30):
        p = 1 / (1 + np.exp(-module.F @ w[0]))
        hessian = (module.F * (p * (1 - p))[:, None]).T @ module.F + np.eye(module.FEATURES) / module.PRIOR**2
        w += np.linalg.solve(hessian, module.action_and_force(w)[1][0])
    deviation = np.sqrt(np.diag(np.linalg.inv(hessian)))
    assert (np.abs(found["mean"] - w[0]) < 0.5 * deviation).all() and np.allclose(found["deviation"], deviation, rtol=0.3)
    laplace = -module.action_and_force(w)[0][0] + 0.5 * module.FEATURES * np.log(2 * np.pi) - 0.5 * np.linalg.slogdet(hessian)[1]
    log_z = found["summary"]["log_z"]
    assert log_z["trusted"] and abs(log_z["value"] - laplace) < 0.5


def test_lennard_jones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = example("lennard_jones")
    assert upg.check_target(upg.Target(39, module.action_and_force)).largest < 1
    y = np.random.default_rng(1).normal(size=(2, 39))
    for sample, action in zip(y, module.action_and_force(y)[0], strict=True):
        at = module.WIDTH * sample.reshape(-1, 3)
        expected = 0.5 * module.TRAP * (at**2).sum()
        for i in range(13):
            for j in range(i):
                r = np.linalg.norm(at[i] - at[j])
                core = max(r, module.CORE)
                expected += 4 * (core**-12 - core**-6) + 24 * (core**-7 - 2 * core**-13) * (r - core)
        assert abs(action - expected / module.TEMPERATURE) < 1e-9 * abs(action)
    summary = module.main(out=str(tmp_path / "run"), steps=5, samples=500)
    assert "log Z = " in capsys.readouterr().out and "mean_0" in summary["observables"]
