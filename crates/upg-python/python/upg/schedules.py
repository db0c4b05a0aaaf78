# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``schedule``."""

from __future__ import annotations

from typing import Literal

from .notation import UNSET, Spec, Unset

__all__ = [
    "Constant",
    "Cosine",
    "Plateau",
    "ScheduleSpec",
]


class ScheduleSpec(Spec):
    """One of the classes below."""


class Constant(ScheduleSpec):
    """``Constant`` of the field ``schedule``."""

    _variant = "Constant"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class Cosine(ScheduleSpec):
    """Cosine(floor = 0, steps = those of the run): half a period of a cosine, from the rate to the floor"""

    _variant = "Cosine"

    def __init__(
        self,
        *,
        floor: float | Unset | None = UNSET,
        steps: int | Unset | None = UNSET,
    ) -> None:
        super().__init__({"floor": floor, "steps": steps})


class Plateau(ScheduleSpec):
    """Plateau(patience, threshold = 1e-4, factor = 0.1, floor = 0, watch = Loss): times factor whenever what is watched, Loss or
        LogWeightStd, has not improved by the relative threshold for more than patience steps"""

    _variant = "Plateau"

    def __init__(
        self,
        *,
        patience: int,
        threshold: float | Unset | None = UNSET,
        factor: float | Unset | None = UNSET,
        floor: float | Unset | None = UNSET,
        watch: Literal["Loss", "LogWeightStd"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"patience": patience, "threshold": threshold, "factor": factor, "floor": floor, "watch": watch})
