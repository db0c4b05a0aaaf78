# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``train``."""

from __future__ import annotations

from os import PathLike

from .notation import Spec, text

__all__ = [
    "Draw",
    "File",
    "SourceSpec",
]


class SourceSpec(Spec):
    """One of the classes below."""


class Draw(SourceSpec):
    """``Draw`` of the field ``train``."""

    _variant = "Draw"

    def __init__(self, value: int) -> None:
        super().__init__({}, (value,))


class File(SourceSpec):
    """``File`` of the field ``train``."""

    _variant = "File"

    def __init__(self, value: str | PathLike[str]) -> None:
        super().__init__({}, (text(value),))
