"""Couplings, autoregressive and linear layers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .nets import activation, convolutional, degrees, fully_connected
from .parts import Layer, moved_by, order_of, unknown, variant, wrapped
from .transforms import transform

Pair = tuple[Tensor, Tensor]


class Coupling(Layer):
    """Some numbers move, by a transform whose parameters a net computes from the others."""

    def __init__(self, fields: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        moved = moved_by(fields["mask"], shape)
        self.keep("moved", moved)
        self.keep("kept", sorted(set(range(math.prod(shape))) - set(moved)))
        self.shape, self.transform = list(shape), transform(fields["transform"])
        self.kind, net = variant(fields["net"])
        self.hidden, self.act = len(net["hidden"]), activation(net["activation"])
        self.odd_output = self.transform.odd_output if net.get("symmetry") == "Z2" else None
        if self.kind not in ("Mlp", "Cnn"):
            raise unknown("net", self.kind)

    def _features(self, kept: Tensor) -> Tensor:
        return kept

    def _joined(self, moved: Tensor, x: Tensor) -> Tensor:
        return x.index_copy(1, self.moved, moved)

    def _phi(self, x: Tensor) -> Tensor:
        """Parameters of every number that moves, ``[n, moved, width]``."""
        if self.kind == "Mlp":
            outputs = fully_connected(self, self._features(x[:, self.kept]), self.hidden, self.act)
            return outputs.unflatten(1, (self.transform.width, -1)).mT
        seen = x.index_fill(1, self.moved, 0.0).reshape(-1, 1, *self.shape)
        outputs = convolutional(self, seen, self.hidden, self.act, self.odd_output)
        return outputs.flatten(2)[:, :, self.moved].mT

    def map(self, x: Tensor) -> Pair:
        moved, log_slope = self.transform(x[:, self.moved], self._phi(x))
        return self._joined(moved, x), log_slope.sum(1)

    def solve(self, y: Tensor) -> Pair:
        moved, log_slope = self.transform.inverse(y[:, self.moved], self._phi(y))
        return self._joined(moved, y), -log_slope.sum(1)


class AngleCoupling(Coupling):
    """A coupling of angles, whose net reads cosines and sines."""

    def _features(self, kept: Tensor) -> Tensor:
        return torch.cat([torch.cos(kept), torch.sin(kept)], 1)

    def _joined(self, moved: Tensor, x: Tensor) -> Tensor:
        return super()._joined(wrapped(moved), x)


class Autoregressive(Layer):
    """Every number moves, by a transform whose parameters depend on those before it; the inverse takes one after the other."""

    def __init__(self, fields: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        order = torch.tensor(order_of(fields["order"], shape))
        self.keep("order", order)
        self.keep("places", torch.argsort(order))
        self.transform, net = transform(fields["transform"]), fields["net"]
        self.hidden, self.act = len(net["hidden"]), activation(net["activation"])
        units = degrees(len(order), net["hidden"], self.transform.width)
        for k, (inputs, outputs) in enumerate(zip(units, units[1:], strict=False)):
            self.keep(f"mask_{k}", inputs[None, :] <= outputs[:, None])

    def _phi(self, x: Tensor) -> Tensor:
        outputs = fully_connected(self, x, self.hidden, self.act, masked=True)
        return outputs.unflatten(1, (-1, self.transform.width))

    def map(self, x: Tensor) -> Pair:
        x = x[:, self.order]
        y, log_slope = self.transform(x, self._phi(x))
        return y[:, self.places], log_slope.sum(1)

    def solve(self, y: Tensor) -> Pair:
        y = y[:, self.order]
        x, log_slope = torch.zeros_like(y), y.new_zeros(len(y))
        for p in range(y.shape[1]):
            found, log_slope_here = self.transform.inverse(y[:, p], self._phi(x)[:, p])
            x, log_slope = torch.cat([x[:, :p], found[:, None], x[:, p + 1 :]], 1), log_slope + log_slope_here
        return x[:, self.places], -log_slope


class Scaled(Layer):
    """y = x e^sigma + b: scalings, and ActNorm."""

    def __init__(self, fields: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)

    def _log_det(self, x: Tensor) -> Tensor:
        return self.of("log_scale").expand(x.shape[1]).sum().expand(len(x))

    def map(self, x: Tensor) -> Pair:
        y, shift = x * torch.exp(self.of("log_scale")), self.maybe("shift")
        return y if shift is None else y + shift, self._log_det(x)

    def solve(self, y: Tensor) -> Pair:
        shift = self.maybe("shift")
        return (y if shift is None else y - shift) * torch.exp(-self.of("log_scale")), -self._log_det(y)


class Linear(Layer):
    """y = P L U x + b, of all numbers or of every cell of a lattice."""

    def __init__(self, fields: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        cells = fields.get("cells") or list(shape)
        pairs = [(extent // cell, cell) for extent, cell in zip(shape, cells, strict=True)]
        sites = torch.arange(math.prod(shape)).reshape([extent for pair in pairs for extent in pair])
        axes = [*range(0, 2 * len(cells), 2), *range(1, 2 * len(cells), 2)]
        self.keep("sites", sites.permute(axes).reshape(-1, math.prod(cells)))
        self.keep("places", torch.argsort(self.sites.flatten()))
        order = torch.tensor(order_of(fields["order"], cells))
        self.keep("order", order)
        self.keep("back", torch.argsort(order))
        signs = torch.ones(len(order))
        signs[fields["negative"]] = -1
        self.keep("signs", signs)

    def _factors(self) -> Pair:
        n, diagonal = len(self.order), self.signs * torch.exp(self.of("log_diagonal"))
        below, above = torch.tril_indices(n, n, -1, device=diagonal.device), torch.triu_indices(n, n, 1, device=diagonal.device)
        unit = torch.eye(n, dtype=diagonal.dtype, device=diagonal.device)
        lower = unit.index_put((below[0], below[1]), self.of("lower"))
        return lower, torch.diag(diagonal).index_put((above[0], above[1]), self.of("upper"))

    def _log_det(self, x: Tensor) -> Tensor:
        return (len(self.sites) * self.of("log_diagonal").sum()).expand(len(x))

    def map(self, x: Tensor) -> Pair:
        (lower, upper), bias = self._factors(), self.maybe("bias")
        y = (x[:, self.sites] @ upper.mT @ lower.mT)[..., self.order]
        y = y if bias is None else y + bias
        return y.flatten(1)[:, self.places], self._log_det(x)

    def solve(self, y: Tensor) -> Pair:
        (lower, upper), bias = self._factors(), self.maybe("bias")
        channels = y[:, self.sites] if bias is None else y[:, self.sites] - bias
        columns = channels[..., self.back].flatten(0, 1).mT
        inner = torch.linalg.solve_triangular(lower, columns, upper=False, unitriangular=True)
        x = torch.linalg.solve_triangular(upper, inner, upper=True).mT.unflatten(0, (len(y), -1))
        return x.flatten(1)[:, self.places], -self._log_det(y)


class Householder(Layer):
    """A product of reflections, and a shift."""

    def __init__(self, fields: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)

    def _reflected(self, x: Tensor, vectors: Sequence[Tensor]) -> Tensor:
        for v in vectors:
            x = x - 2 * (x @ v / (v @ v))[:, None] * v
        return x

    def map(self, x: Tensor) -> Pair:
        y, bias = self._reflected(x, list(self.of("vectors"))), self.maybe("bias")
        return y if bias is None else y + bias, x.new_zeros(len(x))

    def solve(self, y: Tensor) -> Pair:
        bias = self.maybe("bias")
        x = self._reflected(y if bias is None else y - bias, list(self.of("vectors"))[::-1])
        return x, y.new_zeros(len(y))


class Permutation(Layer):
    """Numbers or angles in another order."""

    def __init__(self, fields: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        order = torch.tensor(order_of(fields["order"], shape))
        self.keep("order", order)
        self.keep("back", torch.argsort(order))

    def map(self, x: Tensor) -> Pair:
        return x[:, self.order], x.new_zeros(len(x))

    def solve(self, y: Tensor) -> Pair:
        return y[:, self.back], y.new_zeros(len(y))
