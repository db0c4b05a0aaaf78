# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``base``."""

from __future__ import annotations

from .notation import UNSET, Spec, Unset

__all__ = [
    "StandardNormal",
    "UniformTorus",
    "DiagonalNormal",
    "FreeField",
    "TwoSigns",
    "BaseSpec",
]


class BaseSpec(Spec):
    """One of the classes below."""


class StandardNormal(BaseSpec):
    """``StandardNormal`` of the field ``base``."""

    _variant = "StandardNormal"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class UniformTorus(BaseSpec):
    """``UniformTorus`` of the field ``base``."""

    _variant = "UniformTorus"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class DiagonalNormal(BaseSpec):
    """DiagonalNormal: a mean and a deviation for each number"""

    _variant = "DiagonalNormal"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class FreeField(BaseSpec):
    """FreeField(m2, kappa): a Gaussian field with a variance for each orbit of Fourier modes, 1/(m2 + 2 kappa p^2) at the start; m2 > 0"""

    _variant = "FreeField"

    def __init__(
        self,
        *,
        m2: float | Unset | None = UNSET,
        kappa: float | Unset | None = UNSET,
    ) -> None:
        super().__init__({"m2": m2, "kappa": kappa})


class TwoSigns(BaseSpec):
    """TwoSigns(m2, kappa, v): two of these about the constant fields v and -v, v > 0; for targets with two phases"""

    _variant = "TwoSigns"

    def __init__(
        self,
        *,
        m2: float | Unset | None = UNSET,
        kappa: float | Unset | None = UNSET,
        v: float | Unset | None = UNSET,
    ) -> None:
        super().__init__({"m2": m2, "kappa": kappa, "v": v})
