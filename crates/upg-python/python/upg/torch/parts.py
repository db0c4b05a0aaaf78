"""What layers are made of: parameters under names with dots, masks, orders."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import UpgError

TAU = 2 * math.pi


def variant(value: Any) -> tuple[str, Any]:
    """Name and fields of a choice: ``"Tanh"`` or ``{"LeakyRelu": 0.1}``."""
    if isinstance(value, str):
        return value, {}
    ((name, fields),) = value.items()
    return name, fields


def unknown(kind: str, name: str) -> UpgError:
    return UpgError(f"{kind} {name}: this version of upg.torch doesn't know it")


def wrapped(x: Tensor) -> Tensor:
    """Angles in [0, 2 pi)."""
    rest = torch.remainder(x, TAU)
    return torch.where(rest >= TAU, torch.zeros_like(rest), rest)


class Tensors(nn.Module):
    """Parameters under their names, ``net.0.weight`` being in a module of a module."""

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, tensor in tensors.items():
            *path, last = name.split(".")
            place: nn.Module = self
            for step in path:
                if step not in dict(place.named_children()):
                    place.add_module(step, nn.Module())
                place = place.get_submodule(step)
            place.register_parameter(last, nn.Parameter(tensor))
        self.names = frozenset(tensors)

    def of(self, name: str) -> Tensor:
        return self.get_parameter(name)

    def maybe(self, name: str) -> Tensor | None:
        return self.of(name) if name in self.names else None

    def keep(self, name: str, values: Any) -> None:
        """Numbers that aren't parameters, and go along to other devices."""
        self.register_buffer(name, torch.as_tensor(values), persistent=False)


class Layer(Tensors):
    """A bijection T of ``[n, dof]``, or, where it is ``inverted``, its inverse over the same parameters."""

    inverted = False

    def map(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """T(x) and log|det dT/dx|."""
        raise NotImplementedError

    def solve(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """x with T(x) = y and log|det dx/dy|."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.solve(x) if self.inverted else self.map(x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        return self.map(y) if self.inverted else self.solve(y)


def moved_by(mask: Any, shape: Sequence[int]) -> list[int]:
    """The flat indices that a mask moves, in ascending order."""
    name, held = variant(mask)
    if name == "Custom":
        return sorted(held)
    parity = {"Even": 0, "Odd": 1}[held]
    if name == "Alternating":
        return list(range(parity, math.prod(shape), 2))
    if name == "Checkerboard":
        return [i for i, site in enumerate(itertools.product(*map(range, shape))) if sum(site) % 2 == parity]
    raise unknown("mask", name)


def order_of(order: Any, shape: Sequence[int]) -> list[int]:
    """Where what comes to place i was before."""
    (name, held), n = variant(order), math.prod(shape)
    if name == "Identity":
        return list(range(n))
    if name == "Reversal":
        return list(range(n))[::-1]
    if name == "Shift":
        return [(i + held) % n for i in range(n)]
    if name == "Along":
        sites = torch.arange(n).reshape(*shape)
        rolled: list[int] = torch.roll(sites, -held["by"], held["direction"]).flatten().tolist()
        return rolled
    if name == "Random":
        return _shuffled(n, held)
    if name == "Custom":
        return list(held)
    raise unknown("order", name)


def _shuffled(n: int, seed: int) -> list[int]:
    found, numbers = list(range(n)), _split_mix(seed)
    for i in range(n - 1, 0, -1):
        j = next(numbers) % (i + 1)
        found[i], found[j] = found[j], found[i]
    return found


def _split_mix(state: int) -> Iterator[int]:
    whole = 2**64 - 1
    while True:
        state = (state + 0x9E3779B97F4A7C15) & whole
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & whole
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & whole
        yield z ^ (z >> 31)
