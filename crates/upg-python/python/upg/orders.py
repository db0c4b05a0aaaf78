# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``order``."""

from __future__ import annotations

from collections.abc import Sequence

from .notation import Spec

__all__ = [
    "Identity",
    "Reversal",
    "Shift",
    "Along",
    "Random",
    "Custom",
    "OrderSpec",
]


class OrderSpec(Spec):
    """One of the classes below."""


class Identity(OrderSpec):
    """``Identity`` of the field ``order``."""

    _variant = "Identity"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class Reversal(OrderSpec):
    """``Reversal`` of the field ``order``."""

    _variant = "Reversal"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class Shift(OrderSpec):
    """``Shift`` of the field ``order``."""

    _variant = "Shift"

    def __init__(self, value: int) -> None:
        super().__init__({}, (value,))


class Along(OrderSpec):
    """``Along`` of the field ``order``."""

    _variant = "Along"

    def __init__(self, *values: object, **fields: object) -> None:
        super().__init__(fields, values)


class Random(OrderSpec):
    """Random(7), by a seed, or Custom([2, 0, 1])"""

    _variant = "Random"

    def __init__(self, value: int) -> None:
        super().__init__({}, (value,))


class Custom(OrderSpec):
    """Custom([0, 3]), the numbers that move; net = Mlp(hidden, activation = Tanh, bias = Yes, init = Random)"""

    _variant = "Custom"

    def __init__(self, value: Sequence[int]) -> None:
        super().__init__({}, (value,))
