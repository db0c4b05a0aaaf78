# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``mask``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from .notation import Spec

__all__ = [
    "Alternating",
    "Checkerboard",
    "Custom",
    "LayerMaskSpec",
]


class LayerMaskSpec(Spec):
    """One of the classes below."""


class Alternating(LayerMaskSpec):
    """``Alternating`` of the field ``mask``."""

    _variant = "Alternating"

    def __init__(self, value: Literal["Even", "Odd"]) -> None:
        super().__init__({}, (value,))


class Checkerboard(LayerMaskSpec):
    """``Checkerboard`` of the field ``mask``."""

    _variant = "Checkerboard"

    def __init__(self, value: Literal["Even", "Odd"]) -> None:
        super().__init__({}, (value,))


class Custom(LayerMaskSpec):
    """Custom([0, 3]), the numbers that move; net = Mlp(hidden, activation = Tanh, bias = Yes, init = Random)"""

    _variant = "Custom"

    def __init__(self, value: Sequence[int]) -> None:
        super().__init__({}, (value,))
