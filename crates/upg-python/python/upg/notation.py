"""How descriptions are written for the reader of configurations.

A description holds the fields it was given and nothing else: defaults are those of upg itself, and so is everything that is said about
wrong values. Wherever a description is accepted, a text in the notation of configurations is, too: ``"LeakyRelu(0.1)"``.
"""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final, SupportsIndex

from .errors import ArgumentError

__all__ = ["Spec", "Text", "Unset", "UNSET", "ron", "text", "whole", "whole_or_none", "word", "word_or_none"]


class Unset:
    """The value of a field that isn't given: upg has a default for it."""

    def __repr__(self) -> str:
        return "default"


UNSET: Final = Unset()


class Text(str):
    """A text that a configuration has in quotes."""

    def ron(self) -> str:
        """The text in quotes."""
        escaped = self.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in escaped) + '"'


def text(value: str | os.PathLike[str] | Unset | None) -> Text | Unset | None:
    """The value of a field that holds a text, such as the name of a file."""
    return value if value is None or isinstance(value, Unset) else Text(os.fspath(value))


class Spec:
    """A variant of a choice by its name, with named fields, or with values that have no names."""

    _variant: str = ""
    _is_name: bool = False

    def __init__(self, fields: Mapping[str, Any], values: tuple[Any, ...] = ()) -> None:
        # `lambda_` and `from_` are words of Python without the last sign.
        given = {name.rstrip("_"): value for name, value in fields.items() if value is not UNSET}
        self.fields: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        self.values = values

    def ron(self) -> str:
        """The description as a configuration has it."""
        if self._is_name:
            return self._variant
        named = [f"{name}: {ron(value)}" for name, value in self.fields.items()]
        return f"{self._variant}({', '.join([ron(value) for value in self.values] + named)})"

    def __repr__(self) -> str:
        named = [f"{name}={value!r}" for name, value in self.fields.items()]
        return f"{type(self).__name__}({', '.join([repr(value) for value in self.values] + named)})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Spec) and self.ron() == other.ron()

    def __hash__(self) -> int:
        return hash(self.ron())


def ron(value: Any) -> str:
    """A value as a configuration has it: a text as it is, a path in quotes, a mapping as fields, anything iterable as a list."""
    if isinstance(value, (Spec, Text)):
        return value.ron()
    if isinstance(value, str):
        return value
    if isinstance(value, os.PathLike):
        return Text(os.fspath(value)).ron()
    if isinstance(value, Mapping):
        fields = (f"{name.rstrip('_')}: {ron(held)}" for name, held in value.items() if held is not UNSET and held is not None)
        return f"({', '.join(fields)})"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Iterable):
        return f"[{', '.join(ron(held) for held in value)}]"
    return _number(value)


def whole(name: str, value: SupportsIndex) -> int:
    """A whole number from 0 to 2^64 - 1, as counts and seeds are."""
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not 0 <= number < 2**64:
        raise ArgumentError(f"{name} = {shown(value)}: accepted is a whole number, at least 0, below 2^64")
    return number


def whole_or_none(name: str, value: SupportsIndex | None) -> int | None:
    """The same, or None."""
    return None if value is None else whole(name, value)


def word(name: str, value: object) -> str:
    """A text."""
    if not isinstance(value, str):
        raise ArgumentError(f"{name} = {shown(value)}: accepted is a text")
    return value


def word_or_none(name: str, value: object) -> str | None:
    """The same, or None."""
    return None if value is None else word(name, value)


def shown(value: object) -> str:
    """A value in a line, the beginning of a long one."""
    line = " ".join(repr(value).split())
    return line if len(line) < 60 else f"{line[:60]}…"


def _number(value: Any) -> str:
    if hasattr(value, "__index__"):
        return str(int(value))
    if hasattr(value, "__float__"):
        number = float(value)
        if math.isnan(number):
            return "NaN"
        return repr(number) if math.isfinite(number) else ("inf" if number > 0 else "-inf")
    raise TypeError(f"{value!r}: accepted are numbers, texts, lists, mappings and descriptions")
