"""upg beside zuko (PyTorch) and flowjax (JAX): the same flows and target in one run.

    pip install torch zuko jax flowjax upg-*.whl     # the wheel of cargo xtask wheel, without --dev
    python benches/python/compare.py --out compare.json

phi^4 theory on 8x8, batch 256, single precision, two cores. Flows: couplings with nets of two hidden layers, affine or with rational-quadratic splines of 8 bins.
A step is one of Adam on the reverse Kullback-Leibler divergence: samples, their densities, gradients, parameters. The others take the ordinary
gradient; upg is shown with that one (`Reparam`) and with the path gradient that it is for (`PathFast`), which is more work and less noise. Sampling is of samples
with their log-densities, in batches of 256 as far as the caller decides. Libraries take turns, and medians are told; compilation and the first steps aren't
counted. Libraries that aren't installed are left out.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

LATTICE, KAPPA, LAMBDA = [8, 8], 0.2, 0.1
DOF, BATCH, COUPLINGS, HIDDEN, BINS, INTERVAL, RATE = 64, 256, 8, [128, 128], 8, 4.0, 1e-3
CORES = 2


def action(phi: Any, roll: Callable[..., Any]) -> Any:
    """S of fields [..., 64], for arrays of any library."""
    phi = phi.reshape(*phi.shape[:-1], *LATTICE)
    hopping = phi * (roll(phi, 1, -1) + roll(phi, 1, -2))
    return (-2 * KAPPA * hopping + (1 - 2 * LAMBDA) * phi**2 + LAMBDA * phi**4).sum((-1, -2))


class Upg:
    """A run in a folder; the seconds of a step are those of its metrics, behind the first steps."""

    def __init__(self, flow: str, estimator: str) -> None:
        import upg

        transform = upg.transforms.Affine() if flow == "affine" else upg.transforms.Spline(bins=BINS, interval=INTERVAL)
        self.flow = upg.flows.RealNvp(lattice=LATTICE, couplings=COUPLINGS, hidden=HIDDEN, activation="Tanh", transform=transform)
        self.upg, self.estimator, self.folder = upg, estimator, Path(tempfile.mkdtemp()) / "run"

    def step(self, steps: int) -> float:
        target = self.upg.targets.Phi4(lattice=LATTICE, kappa=KAPPA, lambda_=LAMBDA)
        self.run = self.upg.train(
            self.flow, target, steps=steps + 20, batch=BATCH, objective=f"Reverse({self.estimator})", log_every=10,
            optimiser=self.upg.optimisers.Adam(rate=RATE), validation={"every": 10**9, "samples": 16},
            out=self.folder, force=True, threads=CORES, progress=False,
        )  # fmt: skip
        metrics = self.run.metrics
        return float((metrics["seconds"][-1] - metrics["seconds"][1]) / (metrics["step"][-1] - metrics["step"][1]))

    def sample(self, batches: int) -> float:
        begin = time.perf_counter()
        self.run.sample_weighted(BATCH * batches, threads=CORES)
        return time.perf_counter() - begin


class Zuko:
    def __init__(self, flow: str) -> None:
        import torch
        import zuko

        torch.set_num_threads(CORES)
        kind: dict[str, Any] = {}
        if flow == "spline":
            univariate = partial(zuko.transforms.MonotonicRQSTransform, bound=INTERVAL)
            kind = {"univariate": univariate, "shapes": [(BINS,), (BINS,), (BINS - 1,)]}
        self.torch = torch
        self.flow = zuko.flows.NICE(DOF, transforms=COUPLINGS, hidden_features=HIDDEN, activation=torch.nn.Tanh, **kind)
        self.optimiser = torch.optim.Adam(self.flow.parameters(), lr=RATE)

    def _one(self) -> None:
        x, log_q = self.flow().rsample_and_log_prob((BATCH,))
        loss = (log_q + action(x, self.torch.roll)).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()

    def step(self, steps: int) -> float:
        for _ in range(3):
            self._one()
        begin = time.perf_counter()
        for _ in range(steps):
            self._one()
        return (time.perf_counter() - begin) / steps

    def sample(self, batches: int) -> float:
        begin = time.perf_counter()
        with self.torch.no_grad():
            for _ in range(batches):
                self.flow().rsample_and_log_prob((BATCH,))
        return time.perf_counter() - begin


class Flowjax:
    def __init__(self, flow: str) -> None:
        import equinox as eqx
        import jax
        import jax.numpy as jnp
        import optax
        from flowjax.bijections import RationalQuadraticSpline
        from flowjax.distributions import Normal
        from flowjax.flows import coupling_flow
        from paramax import NonTrainable

        transformer = None if flow == "affine" else RationalQuadraticSpline(knots=BINS, interval=INTERVAL)
        made = coupling_flow(
            jax.random.key(0), base_dist=Normal(jnp.zeros(DOF)), transformer=transformer, flow_layers=COUPLINGS,
            nn_width=HIDDEN[0], nn_depth=len(HIDDEN), nn_activation=jnp.tanh, invert=False,
        )  # fmt: skip
        is_fixed = lambda leaf: isinstance(leaf, NonTrainable)  # noqa: E731
        self.params, static = eqx.partition(made, eqx.is_inexact_array, is_leaf=is_fixed)
        optimiser = optax.adam(RATE)
        self.state, self.key, self.jax = optimiser.init(self.params), jax.random.key(1), jax

        def drawn(params: Any, key: Any) -> Any:
            return eqx.combine(params, static).sample_and_log_prob(key, (BATCH,))

        def loss(params: Any, key: Any) -> Any:
            x, log_q = drawn(params, key)
            return (log_q + action(x, jnp.roll)).mean()

        @jax.jit
        def step(params: Any, state: Any, key: Any) -> Any:
            updates, state = optimiser.update(jax.grad(loss)(params, key), state, params)
            return eqx.apply_updates(params, updates), state

        self._step, self._drawn = step, jax.jit(drawn)

    def _one(self) -> None:
        self.key, key = self.jax.random.split(self.key)
        self.params, self.state = self._step(self.params, self.state, key)

    def step(self, steps: int) -> float:
        for _ in range(3):
            self._one()
        self.jax.block_until_ready(self.params)
        begin = time.perf_counter()
        for _ in range(steps):
            self._one()
        self.jax.block_until_ready(self.params)
        return (time.perf_counter() - begin) / steps

    def sample(self, batches: int) -> float:
        keys = self.jax.random.split(self.key, batches + 1)
        self.jax.block_until_ready(self._drawn(self.params, keys[-1]))
        begin = time.perf_counter()
        for key in keys[:-1]:
            self.jax.block_until_ready(self._drawn(self.params, key))
        return time.perf_counter() - begin


def candidates(flow: str) -> dict[str, Any]:
    made: dict[str, Any] = {"upg PathFast": Upg(flow, "PathFast"), "upg Reparam": Upg(flow, "Reparam")}
    for name, kind in (("zuko", Zuko), ("flowjax", Flowjax)):
        if importlib.util.find_spec(name):
            made[name] = kind(flow)
        else:
            print(f"{name} isn't installed: left out", file=sys.stderr)
    return made


def compared(flow: str, steps: int, batches: int, repetitions: int) -> dict[str, dict[str, float]]:
    made = candidates(flow)
    seconds: dict[str, list[float]] = {name: [] for name in made}
    rates: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(repetitions):
        for name, candidate in made.items():
            seconds[name].append(candidate.step(steps))
            rates[name].append(BATCH * batches / candidate.sample(batches))
    return {
        name: {
            "seconds_per_step": statistics.median(seconds[name]),
            "seconds_per_step_least": min(seconds[name]),
            "samples_per_second": statistics.median(rates[name]),
        }
        for name in made
    }


def versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    for name in ("upg", "torch", "zuko", "jax", "flowjax"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            pass
    return found


def table(results: dict[str, dict[str, dict[str, float]]]) -> str:
    lines = [f"{'flow':8} {'library':14} {'ms a step':>10} {'of upg':>8} {'samples/s':>12} {'upg by':>8}"]
    for flow, of in results.items():
        best = of["upg PathFast"]
        for name, found in of.items():
            slower = found["seconds_per_step"] / best["seconds_per_step"]
            faster = best["samples_per_second"] / found["samples_per_second"]
            step, rate = 1e3 * found["seconds_per_step"], found["samples_per_second"]
            lines.append(f"{flow:8} {name:14} {step:10.3f} {slower:7.2f}x {rate:12.0f} {faster:7.2f}x")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=200, help="steps in a repetition")
    parser.add_argument("--batches", type=int, default=64, help="batches of samples in a repetition")
    parser.add_argument("--repetitions", type=int, default=7)
    parser.add_argument("--flows", nargs="+", default=["affine", "spline"], choices=["affine", "spline"])
    parser.add_argument("--out", type=Path, help="results as JSON")
    arguments = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    results = {}
    for flow in arguments.flows:
        results[flow] = compared(flow, arguments.steps, arguments.batches, arguments.repetitions)
    print(table(results))
    if arguments.out:
        settings = {"lattice": LATTICE, "batch": BATCH, "couplings": COUPLINGS, "hidden": HIDDEN, "bins": BINS, "cores": CORES}
        repeated = {"steps": arguments.steps, "batches": arguments.batches, "repetitions": arguments.repetitions}
        told = {"settings": settings | repeated, "versions": versions(), "results": results}
        arguments.out.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
