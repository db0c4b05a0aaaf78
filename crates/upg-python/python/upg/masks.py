# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``mask``."""

from __future__ import annotations

from collections.abc import Sequence

from .notation import Spec

__all__ = [
    "Alternating",
    "Checkerboard",
    "Custom",
    "MaskSpec",
]


class MaskSpec(Spec):
    """One of the classes below."""


class Alternating(MaskSpec):
    """``Alternating`` of the field ``mask``."""

    _variant = "Alternating"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class Checkerboard(MaskSpec):
    """``Checkerboard`` of the field ``mask``."""

    _variant = "Checkerboard"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class Custom(MaskSpec):
    """Custom([0, 3]), the numbers that move; net = Mlp(hidden, activation = Tanh, bias = Yes, init = Random)"""

    _variant = "Custom"

    def __init__(self, value: Sequence[Sequence[int]]) -> None:
        super().__init__({}, (value,))
