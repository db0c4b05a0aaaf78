# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""The sections of a configuration behind the flow and the target."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from .anneals import AnnealSpec
    from .objectives import ObjectiveSpec
    from .optimisers import OptimiserSpec
    from .schedules import ScheduleSpec
    from .sources import SourceSpec

PATHS = frozenset(["start_from"])
"""Fields that hold the name of a file or a folder."""


class TrainingValidationFields(TypedDict, total=False):
    """The fields of ``training.validation``: an example of each, what it accepts and its default, as configurations are written.

    every: 250,            // steps from one to the next; default 500
    samples: 4096,         // up to 10^9; default 4096
    keep: Loss,            // default Loss
    """

    every: int | None
    samples: int | None
    keep: Literal["Loss", "ReverseEss", "ForwardEss", "Last"] | None


class TrainingCheckpointFields(TypedDict, total=False):
    """The fields of ``training.checkpoint``: an example of each, what it accepts and its default, as configurations are written.

    every: 1000,           // steps from one to the next; default 1000
    minutes: 5.0,          // one is due after so many minutes in any case; default 5
    """

    every: int | None
    minutes: float | None


class TrainingFields(TypedDict, total=False):
    """The fields of ``training``: an example of each, what it accepts and its default, as configurations are written.

    steps: 4000,               // number of steps; default 10000
    batch: 512,                // samples per step, of each divergence, up to 10^9, of data up to 2^33 numbers; default 1000
    seed: 1,                   // decides all that is random; default 1; --seed takes its place
    start_from: "../first", // the weights to begin with: the folder of a run (its best weights) or a weights file, relative to this file;
                               same tensors: those of a U(1) flow don't depend on the lattice; default None: random ones
    precision: F32,            // F32 or F64; default F32
    
    What is minimised, default Reverse(PathFast). One of:
      Reverse(how): KL(q|p) from base samples, how = Reparam, PathFast, PathTwoPass or PathTwoPassLean
      Forward(how): KL(p|q) from data, how = MaxLikelihood, PathFast or Gdreg
      Sum(…): the weighted sum of both, weights above 0
    objective: Sum(reverse: PathFast, reverse_weight: 0.5, forward: PathFast, forward_weight: 0.5),
    
    Default Adam(rate: 0.001). One of:
      Adam(rate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8)
      AdamW(…, weight_decay = 0.01): the same with decoupled weight decay
      Sgd(rate, momentum = 0)
    optimiser: AdamW(rate: 0.001, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 1e-6),
    
    The learning rate as a function of the step, default Constant. One of:
      Constant
      Cosine(floor = 0, steps = those of the run): half a period of a cosine, from the rate to the floor
      Plateau(patience, threshold = 1e-4, factor = 0.1, floor = 0, watch = Loss): times factor whenever what is watched, Loss or
          LogWeightStd, has not improved by the relative threshold for more than patience steps
    schedule: Cosine(floor: 1e-6, steps: 4000),
    warm_up: 100,              // first steps, with a rate that rises linearly; default 0
    clip: 10.0,                // largest norm of the gradient, a number above 0; default None: any
    ema: 0.995,                // decay of the moving average of the weights, in [0, 1); default None: no average
    
    A coupling that starts elsewhere and moves to its value; default: none. Beta(…), Kappa(…), MassSquared(…) or Lambda(…),
    whichever the target has, with from, steps, and shape = Linear or Cosine (default Linear).
    anneal: Kappa(from: 0.2, steps: 1000, shape: Cosine),
    
    The test on fresh samples of q, and on as many test data, of the moving average of the weights where there is one. A continuous flow
    makes twice its steps here, since a training can drift to where the error of the integrator looks like a lower loss. Which weights
    are kept as the best (none while a coupling is annealed):
      Loss: the last whose loss is within two standard errors of the lowest: that of the objective, mean(log q + S) on the samples, mean(-log q) on
          the test data, the same in all tests and so without an error here, or their weighted sum
      ReverseEss, ForwardEss: the largest; ForwardEss needs test data
      Last
    validation: (
        every: 250,            // steps from one to the next; default 500
        samples: 4096,         // up to 10^9; default 4096
        keep: Loss,            // default Loss
    ),
    checkpoint: (
        every: 1000,           // steps from one to the next; default 1000
        minutes: 5.0,          // one is due after so many minutes in any case; default 5
    ),
    log_every: 10,             // steps from one line of metrics.jsonl to the next; default 10
    abort_after: 20,           // give up after so many steps in a row whose gradient is not finite; default 20
    tensorboard: Off,          // On: event files in the folder tensorboard of the run; default Off
    """

    steps: int | None
    batch: int | None
    seed: int | None
    start_from: str | PathLike[str] | None
    precision: Literal["F32", "F64"] | None
    objective: ObjectiveSpec | str | None
    optimiser: OptimiserSpec | str | None
    schedule: ScheduleSpec | str | None
    warm_up: int | None
    clip: float | None
    ema: float | None
    anneal: AnnealSpec | str | None
    validation: TrainingValidationFields | str | None
    checkpoint: TrainingCheckpointFields | str | None
    log_every: int | None
    abort_after: int | None
    tensorboard: Literal["Off", "On"] | None


class PrecisionFields(TypedDict, total=False):
    """The fields of ``precision``: an example of each, what it accepts and its default, as configurations are written.

    Products of matrices of f32 on an accelerator (--device cuda): Full, those of f32; Split, on tensor cores and as accurate; or Tf32, whose factors have 11 bits: gradients are then off by
    about 1e-3 of their norm, and all outputs say so. A run that goes on may do so with the other; default Full
    products: Full,            // default Full
    """

    products: Literal["Full", "Split", "Tf32"] | None


class DataHmcFields(TypedDict, total=False):
    """The fields of ``data.hmc``: an example of each, what it accepts and its default, as configurations are written.

    chains: 512,           // independent chains; default 512
    warm_up: 200,          // sweeps before the first sample, after a way to the bulk that each chain makes by itself; default 200
    thin: 10,              // sweeps from one sample of a chain to the next; default 10
    length: 2.0,           // length of a trajectory, a number above 0; default 2
    """

    chains: int | None
    warm_up: int | None
    thin: int | None
    length: float | None


class DataFields(TypedDict, total=False):
    """The fields of ``data``: an example of each, what it accepts and its default, as configurations are written.

    For the forward KL: Draw(number), samples of up to 2^33 numbers in all, or File("x.npy"), relative to this file, of shape [samples, dof] or
    [samples, lattice...]; default Draw(10000).
    train: Draw(10000),
    test: Draw(10000),         // for forward ESS, log Z from data, and -log q; default Draw(10000)
    How Draw and `upg hmc` work where the target has no exact sampler. Data of which more than 1 % of the chains never moved are refused.
    hmc: (
        chains: 512,           // independent chains; default 512
        warm_up: 200,          // sweeps before the first sample, after a way to the bulk that each chain makes by itself; default 200
        thin: 10,              // sweeps from one sample of a chain to the next; default 10
        length: 2.0,           // length of a trajectory, a number above 0; default 2
    ),
    """

    train: SourceSpec | str | None
    test: SourceSpec | str | None
    hmc: DataHmcFields | str | None


class EvaluationFields(TypedDict, total=False):
    """The fields of ``evaluation``: an example of each, what it accepts and its default, as configurations are written.

    samples: 100000,           // of the flow, up to 10^9; default 100000; --samples takes its place
    blocks: 65536,             // of the jackknife at most, 2 to 10^5; default 65536
    ode_steps: 16,          // accepted where a layer is continuous: steps of continuous flows in `evaluate`, `sample` and `log-prob`; --ode-steps takes its place; default None: their own
    """

    samples: int | None
    blocks: int | None
    ode_steps: int | None
