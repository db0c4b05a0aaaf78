"""phi^4 theory on 8x8 by a continuous flow with the symmetries of the lattice, in some seconds: training, evaluation, samples.

The flow is that of configs/phi4_8x8.ron, trained for a shorter time. What it prints: how good the samples are, log Z, and the magnetic susceptibility by
reweighting, by a Markov chain, and once more by hand.
"""

import sys

import numpy as np

import upg

VOLUME = 8 * 8

flow = upg.flows.Continuous(
    lattice=[8, 8],
    field=upg.fields.Lattice(frequencies=6, times=4),
    steps=6,
    base=upg.bases.FreeField(m2=2.0, kappa=1.0),
)
target = upg.targets.Phi4(lattice=[8, 8], mass_squared=-4.0, lambda_=6.008, convention="NoHalves")

run = upg.train(
    flow,
    target,
    steps=300,
    batch=64,
    optimiser=upg.optimisers.Adam(rate=0.02, beta2=0.99),
    schedule=upg.schedules.Cosine(),
    evaluation={"samples": 5_000, "ode_steps": 24},
    out=sys.argv[1] if len(sys.argv) > 1 else "runs/phi4",
    force=True,
)

summary = run.evaluate()
log_z, chi = summary["log_z"], summary["observables"]["susceptibility"]
print(f"reverse ESS {summary['ess_reverse']:.3f}, acceptance {summary['acceptance']:.3f}")
print(f"log Z {log_z['value']:.4f} ± {log_z['error']:.4f}", *log_z["warnings"], sep="\n")
print(f"susceptibility {chi['value']:.3f} ± {chi['error']:.3f} reweighted", end=", ")
chain = summary["observables_chain"]["susceptibility"]
print(f"{chain['value']:.3f} ± {chain['error']:.3f} along the chain")

phi, log_weights = run.sample_weighted(5_000, seed=7)
weights = np.exp(log_weights - log_weights.max())
m = phi.mean(axis=(1, 2), dtype=float)
by_hand = VOLUME * (np.average(m**2, weights=weights) - np.average(abs(m), weights=weights) ** 2)
print(f"susceptibility {by_hand:.3f} by hand, of other samples")
