# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``transform``."""

from __future__ import annotations

from .notation import UNSET, Spec, Unset

__all__ = [
    "Affine",
    "Additive",
    "LogisticMixture",
    "Spline",
    "OddSpline",
    "TransformSpec",
]


class TransformSpec(Spec):
    """One of the classes below."""


class Affine(TransformSpec):
    """``Affine`` of the field ``transform``."""

    _variant = "Affine"

    def __init__(
        self,
        *,
        clamp: float | Unset | None = UNSET,
    ) -> None:
        super().__init__({"clamp": clamp})


class Additive(TransformSpec):
    """``Additive`` of the field ``transform``."""

    _variant = "Additive"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class LogisticMixture(TransformSpec):
    """``LogisticMixture`` of the field ``transform``."""

    _variant = "LogisticMixture"

    def __init__(
        self,
        *,
        mixtures: int,
    ) -> None:
        super().__init__({"mixtures": mixtures})


class Spline(TransformSpec):
    """Spline(bins: 8, interval: 4.0) or ActNorm(); where numbers stand there, as in Random(7), they are written without a name."""

    _variant = "Spline"

    def __init__(
        self,
        *,
        bins: int,
        interval: float,
    ) -> None:
        super().__init__({"bins": bins, "interval": interval})


class OddSpline(TransformSpec):
    """OddSpline(…), an even base"""

    _variant = "OddSpline"

    def __init__(
        self,
        *,
        bins: int,
        interval: float,
    ) -> None:
        super().__init__({"bins": bins, "interval": interval})
