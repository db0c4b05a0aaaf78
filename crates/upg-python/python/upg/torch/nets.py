"""Nets: from what a layer doesn't move to the parameters of its transform. They read the tensors ``net.{k}.…`` of their layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .parts import Layer, unknown, variant
from .transforms import softplus

Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str, Activation] = {
    "Tanh": torch.tanh,
    "Relu": torch.relu,
    "Silu": F.silu,
    "Softplus": softplus,
    "Elu": F.elu,
    "Gelu": lambda z: z * torch.sigmoid(1.702 * z),
    "Identity": lambda z: z,
}


def activation(description: Any) -> Activation:
    name, slope = variant(description)
    if name == "LeakyRelu":
        return lambda z: F.leaky_relu(z, slope)
    if name not in ACTIVATIONS:
        raise unknown("activation", name)
    return ACTIVATIONS[name]


def fully_connected(layer: Layer, x: Tensor, hidden: int, act: Activation, masked: bool = False) -> Tensor:
    """A net of so many hidden layers; weights are multiplied with the buffers ``mask_{k}`` where it is masked."""
    for k in range(hidden + 1):
        weight = layer.of(f"net.{k}.weight")
        weight = weight * layer.get_buffer(f"mask_{k}") if masked else weight
        x = F.linear(x if k == 0 else act(x), weight, layer.maybe(f"net.{k}.bias"))
    return x


def degrees(positions: int, hidden: Sequence[int], each: int) -> list[Tensor]:
    """Degrees of the units of all layers of a masked net, those of the inputs first."""
    inner = [1 + torch.arange(width) * (positions - 1) // width for width in hidden]
    return [torch.arange(positions) + 1, *inner, torch.arange(positions).repeat_interleave(each)]


def convolutional(layer: Layer, x: Tensor, hidden: int, act: Activation, odd_output: int | None = None) -> Tensor:
    """A periodic net from ``[n, channels, lattice…]``; with an ``odd_output`` all other outputs read squares."""
    for k in range(hidden):
        x = act(convolution(x, layer.of(f"net.{k}.weight"), layer.maybe(f"net.{k}.bias")))
    weight, bias = layer.of(f"net.{hidden}.weight"), layer.maybe(f"net.{hidden}.bias")
    if odd_output is None:
        return convolution(x, weight, bias)
    outputs = convolution(x, weight[odd_output : odd_output + 1], None)
    even = torch.cat([weight[:odd_output], weight[odd_output + 1 :]])
    if len(even) > 0:
        others = convolution(x**2, even, bias)
        outputs = torch.cat([others[:, :odd_output], outputs, others[:, odd_output:]], 1)
    return outputs


def convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The sum over displacements d of W(d) x(site + d), plus b, on a periodic lattice of one to four dimensions."""
    dimensions, kernel = weight.dim() - 2, weight.shape[-1]
    if dimensions == 4:
        return _of_four_dimensions(x, weight, bias)
    for axis in range(2, 2 + dimensions):
        extent, reach = x.shape[axis], kernel // 2
        x = x.index_select(axis, torch.arange(-reach, extent + reach, device=x.device) % extent)
    return (F.conv1d, F.conv2d, F.conv3d)[dimensions - 1](x, weight, bias)


def _of_four_dimensions(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """A sum of convolutions in three dimensions."""
    batch, extent, reach = x.shape[0], x.shape[2], weight.shape[2] // 2
    outputs = torch.zeros((), dtype=x.dtype, device=x.device)
    for i in range(weight.shape[2]):
        shifted = torch.roll(x, reach - i, 2).transpose(1, 2).flatten(0, 1)
        outputs = outputs + convolution(shifted, weight[:, :, i], None)
    outputs = outputs.unflatten(0, (batch, extent)).transpose(1, 2)
    return outputs if bias is None else outputs + bias.reshape(-1, 1, 1, 1, 1)
