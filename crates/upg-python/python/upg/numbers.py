"""Numbers of users as arrays that upg reads."""

from __future__ import annotations

import numbers
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ArgumentError
from .notation import shown

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["masked", "precision", "real", "real64"]


def real(name: str, value: Any) -> npt.NDArray[Any]:
    """Real numbers in ``float32``, if they are in it, else in ``float64``: the array itself, if that can be read where it is.

    Raises :class:`upg.ArgumentError` for what isn't a number, or hides some: texts, dates, complex numbers, masked ones.
    """
    array = _array(name, value)
    kept = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    return kept if _is_readable(kept) else kept.copy(order="C")


def real64(name: str, value: Any) -> npt.NDArray[np.float64]:
    """The same in ``float64``, contiguous in C order."""
    return np.require(_array(name, value), np.float64, ["C", "A"])


def masked(value: Any) -> int:
    """How many numbers of an array are masked."""
    of_masks: Any = np.ma
    return int(of_masks.count_masked(value)) if isinstance(value, of_masks.MaskedArray) else 0


def precision(dtype: npt.DTypeLike | None) -> str | None:
    """The name of a precision."""
    try:
        return None if dtype is None else np.dtype(dtype).name
    except (TypeError, ValueError):
        raise ArgumentError(f"dtype = {shown(dtype)}: accepted are float32 and float64") from None


def _array(name: str, value: Any) -> npt.NDArray[Any]:
    accepted = "accepted are real numbers"
    if hidden := masked(value):
        raise ArgumentError(f"{name} with {hidden} masked numbers: {accepted}, none of them masked")
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} = {shown(value)}: {accepted} in an array") from None
    if array.dtype == object:
        wrong = next((one for one in array.ravel() if not isinstance(one, (numbers.Real, Decimal))), None)
        try:
            if wrong is None and None not in array.ravel().tolist():
                return array.astype(np.float64)
        except (TypeError, ValueError, OverflowError):
            pass
        raise ArgumentError(f"{name} = {shown(value)}: {accepted}")
    if array.dtype.kind not in "fiub":
        raise ArgumentError(f"{name} of {array.dtype}: {accepted}")
    return array


def _is_readable(array: npt.NDArray[Any]) -> bool:
    """Whether all numbers lie at places that a processor reads, whole numbers apart."""
    return array.flags.aligned and all(stride % array.itemsize == 0 for stride in array.strides)
