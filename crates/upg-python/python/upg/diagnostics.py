"""Samples of runs for ArviZ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from . import _upg
from .errors import ArgumentError
from .target import using

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .run import Run, Weights

    Numbers = npt.NDArray[np.float64]

__all__ = ["to_arviz"]

Kind = Literal["metropolis", "resampled"]


def to_arviz(
    run: Run,
    n: int = 1000,
    seed: int | None = None,
    *,
    chains: int = 4,
    kind: Kind = "metropolis",
    weights: Weights = "best",
) -> Any:
    """Samples of the target as the InferenceData (ArviZ 0.x) or DataTree (ArviZ 1.x) of ArviZ.

    The group ``posterior`` holds ``x``, shape ``[chains, n, *shape]``, and numbers of each sample, shape ``[chains, n]``: of fields ``m`` (the mean of
    the sample), ``m_abs`` and ``x2`` (the mean square); of links on a lattice, shape ``[2, L, L]``, ``plaquette`` (the mean of its cosine), and of all other angles
    nothing more. ``sample_stats`` holds ``log_weight``, -S - log q.

    :param n: samples in each chain.
    :param seed: of the first chain, by default that of the run; the others have those that follow.
    :param kind: ``metropolis``, states of independence Metropolis chains, correlated; or ``resampled``, independent samples of the flow drawn
        again with their importance weights, some of them several times.

    Raises ImportError if there is no ArviZ.
    """
    try:
        import arviz
    except ModuleNotFoundError as missing:
        if missing.name != "arviz":
            raise
        raise ImportError("to_arviz needs ArviZ: pip install arviz") from None
    import numpy as np

    for name, value in (("n", n), ("chains", chains)):
        if value < 1:
            raise ArgumentError(f"{name} = {value}: accepted is a whole number, at least 1")
    if kind not in ("metropolis", "resampled"):
        raise ArgumentError(f"kind = {kind}: accepted are metropolis and resampled")
    with using(run.target):
        flow = _upg.Flow.of_run(run.path, weights, None, "cpu", None, None)
        first = flow.seed if seed is None else seed
        drawn = [_drawn(flow, n, first + chain, kind) for chain in range(chains)]
    x, log_weights = (np.stack(of) for of in zip(*drawn, strict=True))
    groups: dict[str, Any] = {"posterior": {"x": x, **_numbers(x, flow.has_angles)}, "sample_stats": {"log_weight": log_weights}}
    is_old = int(arviz.__version__.split(".")[0]) < 1
    return arviz.from_dict(**groups) if is_old else arviz.from_dict(groups)


def _drawn(flow: _upg.Flow, n: int, seed: int, kind: Kind) -> tuple[npt.NDArray[Any], Numbers]:
    x, log_weights, _ = flow.sample(n, seed, 0, kind == "metropolis", True)
    if kind == "metropolis":
        return x, log_weights
    import numpy as np

    share = np.exp(log_weights - log_weights.max())
    chosen = np.random.default_rng(seed).choice(n, n, p=share / share.sum())
    return x[chosen], log_weights[chosen]


def _numbers(x: npt.NDArray[Any], angles: bool) -> dict[str, Numbers]:
    """Numbers of each sample; of angles those that don't depend on the gauge."""
    import numpy as np

    axes = tuple(range(2, x.ndim))
    if not angles:
        m = x.mean(axes, dtype=float)
        return {"m": m, "m_abs": abs(m), "x2": (x.astype(float) ** 2).mean(axes)}
    if x.ndim != 5 or x.shape[2] != 2:
        return {}
    u, v = x[:, :, 0], x[:, :, 1]
    p = u + np.roll(v, -1, 2) - np.roll(u, -1, 3) - v
    return {"plaquette": np.cos(p).mean((2, 3), dtype=float)}
