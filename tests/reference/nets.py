"""Conditioners, docs/WEIGHTS.md "Fully connected nets", "Convolutional nets" and "Autoregressive layers"."""

import itertools

import torch
import torch.nn.functional as F


def gelu(z):
    return z * torch.sigmoid(1.702 * z)


class Mlp:
    """A fully connected net of widths inputs, hidden…, outputs."""

    def __init__(self, inputs, hidden, outputs, act=torch.tanh, bias=True):
        self.widths, self.act, self.bias = [inputs, *hidden, outputs], act, bias

    def shapes(self):
        shapes = {}
        for k, (inputs, outputs) in enumerate(zip(self.widths, self.widths[1:])):
            shapes[f"net.{k}.weight"] = [outputs, inputs]
            if self.bias:
                shapes[f"net.{k}.bias"] = [outputs]
        return shapes

    def weight(self, tensor, k):
        return tensor(f"net.{k}.weight")

    def __call__(self, tensor, x):
        """`tensor` finds a tensor by its name in the layer."""
        for k in range(len(self.widths) - 1):
            x = x if k == 0 else self.act(x)
            x = F.linear(x, self.weight(tensor, k), tensor(f"net.{k}.bias") if self.bias else None)
        return x


class MaskedMlp(Mlp):
    """The net of an autoregressive layer of `positions` positions, with `each` outputs for every one."""

    def __init__(self, positions, hidden, each, act=torch.tanh, bias=True):
        super().__init__(positions, hidden, positions * each, act, bias)
        self.positions, self.each = positions, each

    def degrees(self, k):
        """Degrees of the units of layer k, 0 being the inputs."""
        if k == 0:
            return torch.arange(self.positions) + 1
        if k == len(self.widths) - 1:
            return torch.arange(self.positions).repeat_interleave(self.each)
        width = self.widths[k]
        return torch.tensor([1 + j * (self.positions - 1) // width for j in range(width)])

    def weight(self, tensor, k):
        mask = self.degrees(k)[None, :] <= self.degrees(k + 1)[:, None]
        return tensor(f"net.{k}.weight") * mask


class Cnn:
    """A periodic convolutional net. `odd_output` is the channel that is odd under Z2, where there is that symmetry."""

    def __init__(self, lattice, inputs, hidden, outputs, kernel=3, act=torch.tanh, odd_output=None):
        self.lattice, self.channels, self.kernel = lattice, [inputs, *hidden, outputs], kernel
        self.act, self.odd_output = act, odd_output

    def shapes(self):
        shapes = {}
        last = len(self.channels) - 2
        for k, (inputs, outputs) in enumerate(zip(self.channels, self.channels[1:])):
            shapes[f"net.{k}.weight"] = [outputs, inputs] + [self.kernel] * len(self.lattice)
            biases = outputs if self.odd_output is None else outputs - 1 if k == last else 0
            if biases > 0:
                shapes[f"net.{k}.bias"] = [biases]
        return shapes

    def convolution(self, x, weight, bias=None):
        if len(self.lattice) == 4:
            return self.summed(x, weight) + bias.reshape(-1, 1, 1, 1, 1)
        padded = F.pad(x, [self.kernel // 2] * (2 * len(self.lattice)), mode="circular")
        return [F.conv1d, F.conv2d, F.conv3d][len(self.lattice) - 1](padded, weight, bias)

    def summed(self, x, weight):
        """Σ_d W(d) h(x + d), which PyTorch has in up to three dimensions only."""
        sites = torch.arange(x[0, 0].numel()).reshape(self.lattice)
        back = [[self.kernel // 2 - i for i in index] for index in itertools.product(range(self.kernel), repeat=4)]
        neighbours = torch.stack([torch.roll(sites, by, (0, 1, 2, 3)).flatten() for by in back])
        outputs = torch.einsum("oid,bidx->box", weight.flatten(2), x.flatten(2)[:, :, neighbours])
        return outputs.unflatten(2, self.lattice)

    def __call__(self, tensor, x):
        """From [batch, inputs, lattice…] to [batch, outputs, lattice…]."""
        last = len(self.channels) - 2
        for k in range(last):
            bias = tensor(f"net.{k}.bias") if self.odd_output is None else None
            x = self.act(self.convolution(x, tensor(f"net.{k}.weight"), bias))
        weight = tensor(f"net.{last}.weight")
        if self.odd_output is None:
            return self.convolution(x, weight, tensor(f"net.{last}.bias"))
        s = self.odd_output
        even = torch.cat([weight[:s], weight[s + 1 :]])
        outputs = self.convolution(x, weight[s : s + 1])
        if len(even) > 0:
            others = self.convolution(x**2, even, tensor(f"net.{last}.bias"))
            outputs = torch.cat([others[:, :s], outputs, others[:, s:]], 1)
        return outputs
