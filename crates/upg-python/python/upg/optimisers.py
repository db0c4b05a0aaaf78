# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``optimiser``."""

from __future__ import annotations

from .notation import UNSET, Spec, Unset

__all__ = [
    "Adam",
    "AdamW",
    "Sgd",
    "OptimiserSpec",
]


class OptimiserSpec(Spec):
    """One of the classes below."""


class Adam(OptimiserSpec):
    """Adam(rate, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8)"""

    _variant = "Adam"

    def __init__(
        self,
        *,
        rate: float,
        beta1: float | Unset | None = UNSET,
        beta2: float | Unset | None = UNSET,
        epsilon: float | Unset | None = UNSET,
    ) -> None:
        super().__init__({"rate": rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon})


class AdamW(OptimiserSpec):
    """AdamW(…, weight_decay = 0.01): the same with decoupled weight decay"""

    _variant = "AdamW"

    def __init__(
        self,
        *,
        rate: float,
        beta1: float | Unset | None = UNSET,
        beta2: float | Unset | None = UNSET,
        epsilon: float | Unset | None = UNSET,
        weight_decay: float | Unset | None = UNSET,
    ) -> None:
        super().__init__({"rate": rate, "beta1": beta1, "beta2": beta2, "epsilon": epsilon, "weight_decay": weight_decay})


class Sgd(OptimiserSpec):
    """Sgd(rate, momentum = 0)"""

    _variant = "Sgd"

    def __init__(
        self,
        *,
        rate: float,
        momentum: float | Unset | None = UNSET,
    ) -> None:
        super().__init__({"rate": rate, "momentum": momentum})
