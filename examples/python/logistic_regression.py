"""The posterior of a Bayesian logistic regression with ten features, sampled by a flow.

    python logistic_regression.py

Labels y = 0 or 1 of patients with features f have the probability 1/(1 + exp(-f.w)) for y = 1; the weights w have a normal prior. The action is what
stands in the exponent of the posterior, S(w) = -log p(y | w) - log p(w) without constants, so that log Z is the evidence of the model up to
a known number.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
import numpy.typing as npt

import upg

FEATURES, PATIENTS, PRIOR = 10, 200, 2.0

Array = npt.NDArray[np.float64]


def data(seed: int = 1) -> tuple[Array, Array, Array]:
    """Weights, features that hang together, and labels drawn with them."""
    random = np.random.default_rng(seed)
    weights = random.normal(size=FEATURES)
    features = random.normal(size=(PATIENTS, FEATURES)) @ (np.eye(FEATURES) + 0.3 * random.normal(size=(FEATURES, FEATURES)))
    labels = random.uniform(size=PATIENTS) < 1 / (1 + np.exp(-features @ weights))
    return weights, features, labels.astype(float)


WEIGHTS, F, Y = data()


def action_and_force(w: Array) -> tuple[Array, Array]:
    """S, shape [batch], and -dS/dw, shape [batch, 10], of weights of the shape [batch, 10]."""
    logits = w @ F.T
    action = (np.logaddexp(0, logits) - Y * logits).sum(1) + 0.5 * (w**2).sum(1) / PRIOR**2
    force = (Y - 1 / (1 + np.exp(-logits))) @ F - w / PRIOR**2
    return action, force


def main(out: str = "runs/logistic_regression", steps: int = 1000) -> dict[str, Any]:
    target = upg.Target(FEATURES, action_and_force, name="logistic_regression")
    flow = upg.flows.RealNvp(lattice=[FEATURES], couplings=4, hidden=[32, 32], base=upg.bases.DiagonalNormal())
    run = upg.train(flow, target, steps=steps, batch=256, optimiser=upg.optimisers.Adam(rate=5e-3), schedule="Cosine()", out=out, force=True)

    summary = run.evaluate(samples=50_000)
    evidence = summary["log_z"]
    trust = "trusted" if evidence["trusted"] else f"not to be trusted: {'; '.join(evidence['warnings'])}"
    print(f"effective sample size {summary['ess_reverse']:.3f}")
    print(f"log Z = {evidence['value']:.3f} +- {evidence['error']:.3f}, {trust}")

    x, log_weights = run.sample_weighted(20_000, seed=7, dtype=float)
    weights = np.exp(log_weights - log_weights.max())
    weights /= weights.sum()
    mean = weights @ x
    deviation = np.sqrt(weights @ (x - mean) ** 2)
    print("feature   true   posterior")
    for i in range(FEATURES):
        print(f"{i:>7} {WEIGHTS[i]:>6.2f}   {mean[i]:5.2f} +- {deviation[i]:.2f}")
    return {"mean": mean, "deviation": deviation, "summary": summary}


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description="Bayesian logistic regression by a flow")
    arguments.add_argument("--out", default="runs/logistic_regression")
    arguments.add_argument("--steps", type=int, default=1000)
    main(**vars(arguments.parse_args()))
