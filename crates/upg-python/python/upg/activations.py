# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``activation``."""

from __future__ import annotations

from .notation import Spec

__all__ = [
    "Tanh",
    "Relu",
    "LeakyRelu",
    "Silu",
    "Softplus",
    "Elu",
    "Gelu",
    "Identity",
    "ActivationSpec",
]


class ActivationSpec(Spec):
    """One of the classes below."""


class Tanh(ActivationSpec):
    """``Tanh`` of the field ``activation``."""

    _variant = "Tanh"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class Relu(ActivationSpec):
    """``Relu`` of the field ``activation``."""

    _variant = "Relu"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class LeakyRelu(ActivationSpec):
    """``LeakyRelu`` of the field ``activation``."""

    _variant = "LeakyRelu"

    def __init__(self, value: float) -> None:
        super().__init__({}, (value,))


class Silu(ActivationSpec):
    """``Silu`` of the field ``activation``."""

    _variant = "Silu"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class Softplus(ActivationSpec):
    """``Softplus`` of the field ``activation``."""

    _variant = "Softplus"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class Elu(ActivationSpec):
    """``Elu`` of the field ``activation``."""

    _variant = "Elu"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class Gelu(ActivationSpec):
    """``Gelu`` of the field ``activation``."""

    _variant = "Gelu"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})


class Identity(ActivationSpec):
    """``Identity`` of the field ``activation``."""

    _variant = "Identity"
    _is_name = True

    def __init__(self) -> None:
        super().__init__({})
