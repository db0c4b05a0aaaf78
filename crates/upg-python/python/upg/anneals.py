# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``anneal``."""

from __future__ import annotations

from typing import Literal

from .notation import UNSET, Spec, Unset

__all__ = [
    "Beta",
    "Kappa",
    "MassSquared",
    "Lambda",
    "AnnealSpec",
]


class AnnealSpec(Spec):
    """One of the classes below."""


class Beta(AnnealSpec):
    """``Beta`` of the field ``anneal``."""

    _variant = "Beta"

    def __init__(
        self,
        *,
        from_: float,
        steps: int,
        shape: Literal["Linear", "Cosine"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"from": from_, "steps": steps, "shape": shape})


class Kappa(AnnealSpec):
    """``Kappa`` of the field ``anneal``."""

    _variant = "Kappa"

    def __init__(
        self,
        *,
        from_: float,
        steps: int,
        shape: Literal["Linear", "Cosine"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"from": from_, "steps": steps, "shape": shape})


class MassSquared(AnnealSpec):
    """``MassSquared`` of the field ``anneal``."""

    _variant = "MassSquared"

    def __init__(
        self,
        *,
        from_: float,
        steps: int,
        shape: Literal["Linear", "Cosine"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"from": from_, "steps": steps, "shape": shape})


class Lambda(AnnealSpec):
    """``Lambda`` of the field ``anneal``."""

    _variant = "Lambda"

    def __init__(
        self,
        *,
        from_: float,
        steps: int,
        shape: Literal["Linear", "Cosine"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"from": from_, "steps": steps, "shape": shape})
