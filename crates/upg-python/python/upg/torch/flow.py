"""A flow: a base and layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ArgumentError
from .bases import KINDS as BASES
from .continuous import PlaquetteFlow, continuous
from .lattice import GaugeCoupling
from .layers import AngleCoupling, Autoregressive, Coupling, Householder, Linear, Permutation, Scaled
from .parts import Layer, unknown, variant, wrapped

LAYERS: dict[str, Callable[[Any, Sequence[int], Mapping[str, Tensor]], Layer]] = {
    "ActNorm": Scaled,
    "AngleCoupling": AngleCoupling,
    "Autoregressive": Autoregressive,
    "Continuous": continuous,
    "Coupling": Coupling,
    "GaugeCoupling": GaugeCoupling,
    "Householder": Householder,
    "Linear": Linear,
    "Permutation": Permutation,
    "PlaquetteFlow": PlaquetteFlow,
    "Scaling": Scaled,
}


def layer(description: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> Layer:
    name, fields = variant(description)
    if name == "Inverse":
        inner = layer(fields, shape, tensors)
        inner.inverted = not inner.inverted
        return inner
    if name not in LAYERS:
        raise unknown("layer", name)
    return LAYERS[name](fields, shape, tensors)


class Flow(nn.Module):
    """A flow of upg with parameters that autograd trains.

    Samples have the shape ``[n, *shape]`` or ``[n, dof]``, and what comes out has that of what went in; log-determinants and log-densities have
    the shape ``[n]`` and are those of the whole sample. Angles are in [0, 2 pi). All is in the precision of the parameters.

    The names in ``state_dict()`` are those of a weights file, see docs/WEIGHTS.md. :func:`upg.from_torch_state` makes one of it.

    Attributes: ``shape`` of a sample; ``dof``, the number of its numbers; ``base`` and ``layers``.
    """

    def __init__(self, description: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.shape: tuple[int, ...] = tuple(description["shape"])
        self.dof = math.prod(self.shape)
        name, _ = variant(description["base"])
        if name not in BASES:
            raise unknown("base", name)
        self.angles = name == "UniformTorus"
        self.base = BASES[name](self.shape, _within("base.", tensors))
        made = (layer(of, self.shape, _within(f"layers.{l}.", tensors)) for l, of in enumerate(description["layers"]))
        self.layers = nn.ModuleList(made)
        self.register_buffer("_like", next(iter(tensors.values())).detach()[:0], persistent=False)

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """x, and log|det dx/dz|."""
        x = self._rows(z, "z")
        log_det = x.new_zeros(len(x))
        for layer in self.layers:
            x, of_layer = layer(x)
            log_det = log_det + of_layer
        return x.reshape(z.shape), log_det

    def inverse(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """z, and log|det dz/dx|; angles modulo 2 pi."""
        z = self._rows(x, "x")
        log_det = z.new_zeros(len(z))
        for layer in reversed(self.layers):
            z, of_layer = layer.inverse(z)
            log_det = log_det + of_layer
        return z.reshape(x.shape), log_det

    def log_prob(self, x: Tensor) -> Tensor:
        """log q(x)."""
        z, log_det = self.inverse(x)
        density: Tensor = self.base.log_density(z.flatten(1))
        return density + log_det

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Samples ``[n, *shape]``, differentiable in the parameters; they aren't those that upg draws, whose generator is another."""
        z = self.base.sample(n, self._like, generator).reshape(n, *self.shape)
        return self(z)[0]

    def _rows(self, x: Tensor, name: str) -> Tensor:
        if tuple(x.shape[1:]) not in (self.shape, (self.dof,)):
            accepted = f"accepted is [n, {self.dof}], or points of shape {list(self.shape)} each"
            raise ArgumentError(f"{name} of shape {list(x.shape)}: {accepted}")
        if x.dtype != self._like.dtype:
            raise ArgumentError(f"{name} of type {x.dtype}: accepted is {self._like.dtype}, that of the parameters")
        rows = x.reshape(len(x), self.dof)
        return wrapped(rows) if self.angles else rows


def _within(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def made(description: Mapping[str, Any], tensors: Mapping[str, Any], dtype: Any = None) -> Flow:
    """The module of a flow as ``_upg.flow_tensors`` tells it, with arrays or tensors by their names."""
    known = {"float32": torch.float32, "float64": torch.float64}
    if dtype is not None and not isinstance(dtype, torch.dtype):
        import numpy as np

        dtype = known.get(np.dtype(dtype).name, dtype)
    if dtype is not None and dtype not in known.values():
        raise ArgumentError(f"dtype = {dtype}: accepted are float32 and float64")
    return Flow(description, {name: torch.tensor(of, dtype=dtype) for name, of in tensors.items()})
