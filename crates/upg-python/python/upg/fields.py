# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``field``."""

from __future__ import annotations

from .notation import UNSET, Spec, Unset

__all__ = [
    "Lattice",
    "Shallow",
    "FieldSpec",
]


class FieldSpec(Spec):
    """One of the classes below."""


class Lattice(FieldSpec):
    """Lattice(frequencies, times, scale): on a lattice, with its symmetries and odd; sines of the field in Fourier space, whose frequencies range
        from 2.3/scale to 13/scale at the start: scale > 0, how large the field is; may be left out: 4, or with a target Phi4 where its
        action per site rises to 1, scale^2 = (-mu + sqrt(mu^2 + 4 lambda))/(2 lambda), mu as below"""

    _variant = "Lattice"

    def __init__(
        self,
        *,
        frequencies: int,
        times: int,
        scale: float | Unset | None = UNSET,
    ) -> None:
        super().__init__({"frequencies": frequencies, "times": times, "scale": scale})


class Shallow(FieldSpec):
    """Shallow(width, times): one hidden layer, for any numbers; times: how many functions of time there are"""

    _variant = "Shallow"

    def __init__(
        self,
        *,
        width: int,
        times: int,
    ) -> None:
        super().__init__({"width": width, "times": times})
