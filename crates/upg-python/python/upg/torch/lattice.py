"""Fourier modes of a lattice, plaquettes, and the gauge coupling."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .nets import convolutional
from .parts import TAU, Layer, wrapped
from .transforms import transform

Pair = tuple[Tensor, Tensor]


def modes(lattice: Sequence[int]) -> Tensor:
    """The real orthonormal modes, a row each, in float64."""
    product = torch.ones(1, 1, dtype=torch.float64)
    for extent in lattice:
        product = torch.kron(product, _of_axis(extent))
    return product


def _of_axis(extent: int) -> Tensor:
    x = torch.arange(extent, dtype=torch.float64)
    rows = [torch.full_like(x, 1 / math.sqrt(extent))]
    for r in range(1, extent):
        phase = TAU * ((r + 1) // 2) * x / extent
        rows.append(math.sqrt(2 / extent) * (torch.cos(phase) if r % 2 == 1 else torch.sin(phase)))
    if extent % 2 == 0:
        rows[-1] = (1 - 2 * (x % 2)) / math.sqrt(extent)
    return torch.stack(rows)


def orbits_of(lattice: Sequence[int], frequencies: Sequence[Sequence[int]]) -> list[int]:
    """Numbers of the orbits of modes with these frequencies, under the exchange of equal axes."""

    def representative(mode: Sequence[int]) -> tuple[int, ...]:
        found = list(mode)
        for extent in set(lattice):
            axes = [axis for axis, other in enumerate(lattice) if other == extent]
            for axis, k in zip(axes, sorted(mode[axis] for axis in axes), strict=True):
                found[axis] = k
        return tuple(found)

    numbers: dict[tuple[int, ...], int] = {}
    for mode in itertools.product(*(range(extent // 2 + 1) for extent in lattice)):
        numbers.setdefault(representative(mode), len(numbers))
    return [numbers[representative(mode)] for mode in frequencies]


def orbits(lattice: Sequence[int]) -> list[int]:
    """The orbit of every real mode, in C order."""
    numbered = itertools.product(*(range(extent) for extent in lattice))
    return orbits_of(lattice, [[(r + 1) // 2 for r in mode] for mode in numbered])


def plaquettes(links: Tensor) -> Tensor:
    """Of links ``[n, 2, L_0, L_1]``: ``[n, L_0, L_1]``."""
    along_0, along_1 = links[:, 0], links[:, 1]
    return along_0 + torch.roll(along_1, -1, 1) - torch.roll(along_0, -1, 2) - along_1


class GaugeCoupling(Layer):
    """Links of every fourth stripe move by a transform of their plaquettes."""

    def __init__(self, fields: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        self.lattice, direction, net = list(shape[1:]), fields["direction"], fields["net"]
        sites = torch.meshgrid(*(torch.arange(extent) for extent in self.lattice), indexing="ij")
        residue = (sites[1 - direction] - fields["offset"]) % 4
        active = torch.nonzero(residue.flatten() == 0).flatten()
        self.keep("active", active)
        self.keep("links", direction * residue.numel() + active)
        self.keep("frozen", (residue == 1) | (residue == 2))
        self.orientation = 1 - 2 * direction
        self.transform, self.slope, self.hidden = transform(fields["transform"]), net["slope"], len(net["hidden"])

    def _active_and_phi(self, x: Tensor) -> Pair:
        p = plaquettes(x.reshape(-1, 2, *self.lattice))
        seen = torch.where(self.frozen, p, torch.zeros_like(p))
        features = torch.stack([torch.cos(seen), torch.sin(seen)], 1)
        outputs = convolutional(self, features, self.hidden, lambda z: F.leaky_relu(z, self.slope))
        return p.flatten(1)[:, self.active], outputs.flatten(2)[:, :, self.active].mT

    def _moved(self, x: Tensor, change: Tensor) -> Tensor:
        return wrapped(x.index_add(1, self.links, self.orientation * change))

    def map(self, x: Tensor) -> Pair:
        p, phi = self._active_and_phi(x)
        moved, log_slope = self.transform(p, phi)
        return self._moved(x, moved - p), log_slope.sum(1)

    def solve(self, y: Tensor) -> Pair:
        p, phi = self._active_and_phi(y)
        moved, log_slope = self.transform.inverse(p, phi)
        return self._moved(y, moved - p), -log_slope.sum(1)
