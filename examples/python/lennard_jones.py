"""Thirteen Lennard-Jones particles in a harmonic trap, 39 degrees of freedom, sampled by a flow.

    python lennard_jones.py

In units of the depth and the length of the Lennard-Jones potential, at the temperature T: S = [sum over pairs v(r) + k/2 sum |x_i|^2]/T, with
v(r) = 4 (r^-12 - r^-6), below r = 0.8 continued by its tangent: a flow that isn't trained puts particles on top of each other, where the potential would
overflow. The coordinates of the flow are those of the particles over the width of the trap, sqrt(T/k), so that its base is where the density is. A RealNvp doesn't
know that particles can be exchanged, so this is a demanding density for it: the script says how far a short training comes.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import numpy.typing as npt

import upg

PARTICLES, TEMPERATURE, TRAP, CORE = 13, 4.0, 0.2, 0.8

Array = npt.NDArray[np.float64]

WIDTH = np.sqrt(TEMPERATURE / TRAP)
ONE, OTHER = np.triu_indices(PARTICLES, 1)


def potential(r: Array) -> tuple[Array, Array]:
    """v(r) and dv/dr."""
    beyond = np.maximum(r, CORE)
    value = 4 * (beyond**-12 - beyond**-6)
    slope = -4 * (12 * beyond**-13 - 6 * beyond**-7)
    return value + slope * (r - beyond), slope


def action_and_force(y: Array) -> tuple[Array, Array]:
    """S, shape [batch], and -dS/dy, shape [batch, 39]; y holds the particles one after the other, in widths of the trap."""
    at = WIDTH * y.reshape(-1, PARTICLES, 3)
    difference = at[:, ONE] - at[:, OTHER]
    r = np.sqrt((difference**2).sum(2) + 1e-300)
    value, slope = potential(r)
    action = value.sum(1) / TEMPERATURE + 0.5 * (y**2).sum(1)
    pull = -(WIDTH / TEMPERATURE * slope / r)[:, :, None] * difference
    force = -y.reshape(at.shape)
    for pair, (i, j) in enumerate(zip(ONE, OTHER, strict=True)):
        force[:, i] += pull[:, pair]
        force[:, j] -= pull[:, pair]
    return action, force.reshape(y.shape)


def main(out: str = "runs/lennard_jones", steps: int = 1500, samples: int = 20_000) -> dict[str, Any]:
    target = upg.Target(3 * PARTICLES, action_and_force, name="lennard_jones")
    flow = upg.flows.RealNvp(
        lattice=[3 * PARTICLES],
        couplings=8,
        hidden=[128, 128],
        transform=upg.transforms.Affine(clamp=2.0),
        init="Identity",
        base=upg.bases.DiagonalNormal(),
    )
    run = upg.train(flow, target, steps=steps, batch=256, optimiser=upg.optimisers.Adam(rate=1e-3), schedule="Cosine()", clip=100.0, out=out, force=True)

    summary = run.evaluate(samples=samples)
    log_z = summary["log_z"]
    trust = "trusted" if log_z["trusted"] else f"not to be trusted: {'; '.join(log_z['warnings'])}"
    print(f"effective sample size {summary['ess_reverse']:.3f}, acceptance of the Markov chain {summary['acceptance']:.2f}")
    print(f"log Z = {log_z['value']:.2f} +- {log_z['error']:.2f}, {trust}")

    y, log_weights = run.sample_weighted(samples, seed=3, dtype=float)
    weights = np.exp(log_weights - log_weights.max())
    radius2 = WIDTH**2 * (y**2).sum(1) / PARTICLES
    for name, average in (("flow alone", radius2.mean()), ("with weights", weights @ radius2 / weights.sum())):
        print(f"mean square distance from the centre of the trap, {name}: {average:.3f}")
    return summary


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Lennard-Jones particles in a trap by a flow")
    arguments.add_argument("--out", default="runs/lennard_jones")
    arguments.add_argument("--steps", type=int, default=1500)
    main(**vars(arguments.parse_args()))
