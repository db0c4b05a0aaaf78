# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``objective``."""

from __future__ import annotations

from typing import Literal

from .notation import Spec

__all__ = [
    "Reverse",
    "Forward",
    "Sum",
    "ObjectiveSpec",
]


class ObjectiveSpec(Spec):
    """One of the classes below."""


class Reverse(ObjectiveSpec):
    """Reverse(how): KL(q|p) from base samples, how = Reparam, PathFast, PathTwoPass or PathTwoPassLean"""

    _variant = "Reverse"

    def __init__(self, value: Literal["Reparam", "PathFast", "PathTwoPass", "PathTwoPassLean"]) -> None:
        super().__init__({}, (value,))


class Forward(ObjectiveSpec):
    """Forward(how): KL(p|q) from data, how = MaxLikelihood, PathFast or Gdreg"""

    _variant = "Forward"

    def __init__(self, value: Literal["MaxLikelihood", "PathFast", "Gdreg"]) -> None:
        super().__init__({}, (value,))


class Sum(ObjectiveSpec):
    """Sum(…): the weighted sum of both, weights above 0"""

    _variant = "Sum"

    def __init__(
        self,
        *,
        reverse: Literal["Reparam", "PathFast", "PathTwoPass", "PathTwoPassLean"],
        reverse_weight: float,
        forward: Literal["MaxLikelihood", "PathFast", "Gdreg"],
        forward_weight: float,
    ) -> None:
        super().__init__({"reverse": reverse, "reverse_weight": reverse_weight, "forward": forward, "forward_weight": forward_weight})
