# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``net``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from .notation import UNSET, Spec, Unset

if TYPE_CHECKING:
    from .activations import ActivationSpec

__all__ = [
    "Mlp",
    "Cnn",
    "NetSpec",
]


class NetSpec(Spec):
    """One of the classes below."""


class Mlp(NetSpec):
    """``Mlp`` of the field ``net``."""

    _variant = "Mlp"

    def __init__(
        self,
        *,
        hidden: Sequence[int],
        activation: ActivationSpec | str | Unset | None = UNSET,
        bias: Literal["Yes", "No"] | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"hidden": hidden, "activation": activation, "bias": bias, "init": init})


class Cnn(NetSpec):
    """``Cnn`` of the field ``net``."""

    _variant = "Cnn"

    def __init__(
        self,
        *,
        hidden: Sequence[int],
        kernel: int | Unset | None = UNSET,
        activation: ActivationSpec | str | Unset | None = UNSET,
        symmetry: Literal["None", "Z2"] | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"hidden": hidden, "kernel": kernel, "activation": activation, "symmetry": symmetry, "init": init})
