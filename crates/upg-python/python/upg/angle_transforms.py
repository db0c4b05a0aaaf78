# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``transform``."""

from __future__ import annotations

from .notation import Spec

__all__ = [
    "TanMixture",
    "CircularSpline",
    "AngleTransformSpec",
]


class AngleTransformSpec(Spec):
    """One of the classes below."""


class TanMixture(AngleTransformSpec):
    """``TanMixture`` of the field ``transform``."""

    _variant = "TanMixture"

    def __init__(
        self,
        *,
        mixtures: int,
    ) -> None:
        super().__init__({"mixtures": mixtures})


class CircularSpline(AngleTransformSpec):
    """``CircularSpline`` of the field ``transform``."""

    _variant = "CircularSpline"

    def __init__(
        self,
        *,
        bins: int,
    ) -> None:
        super().__init__({"bins": bins})
