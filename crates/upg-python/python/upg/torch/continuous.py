"""Continuous flows, by the Runge-Kutta method of order 4: of numbers, and of the links of a lattice."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from .lattice import modes, orbits, orbits_of, plaquettes
from .parts import TAU, Layer, unknown, variant, wrapped

Pair = tuple[Tensor, Tensor]


def at_time(coefficients: Tensor, t: float, axis: int) -> Tensor:
    """The sum over j of c_j cos(pi j t), j along an axis."""
    waves = [math.cos(math.pi * j * t) for j in range(coefficients.shape[axis])]
    return torch.tensordot(coefficients, coefficients.new_tensor(waves), ([axis], [0]))


class Continuous(Layer):
    """The flow of a vector field over a unit of time; the inverse integrates backwards, in as many steps."""

    steps: int

    def velocity(self, x: Tensor, t: float) -> Pair:
        """The field and its divergence."""
        raise NotImplementedError

    def _steps(self, backwards: bool) -> Iterator[tuple[float, float]]:
        """Beginnings and lengths."""
        h = 1 / self.steps
        for n in range(self.steps):
            yield (1 - n * h, -h) if backwards else (n * h, h)

    def _integrated(self, x: Tensor, backwards: bool) -> Pair:
        log_det = x.new_zeros(len(x))
        for t, h in self._steps(backwards):
            k_1, d_1 = self.velocity(x, t)
            k_2, d_2 = self.velocity(x + h / 2 * k_1, t + h / 2)
            k_3, d_3 = self.velocity(x + h / 2 * k_2, t + h / 2)
            k_4, d_4 = self.velocity(x + h * k_3, t + h)
            x = x + h / 6 * (k_1 + 2 * k_2 + 2 * k_3 + k_4)
            log_det = log_det + h / 6 * (d_1 + 2 * d_2 + 2 * d_3 + d_4)
        return x, log_det

    def map(self, x: Tensor) -> Pair:
        return self._integrated(x, backwards=False)

    def solve(self, y: Tensor) -> Pair:
        return self._integrated(y, backwards=True)


class LatticeFlow(Continuous):
    """By a field on a lattice: sines of the numbers, in Fourier space."""

    def __init__(self, fields: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        self.steps = fields["steps"]
        self.keep("modes", modes(shape).to(self.of("weight").dtype))
        self.keep("orbits", orbits(shape))

    def velocity(self, x: Tensor, t: float) -> Pair:
        weight = at_time(self.of("weight"), t, 1)[:, self.orbits]
        omega = torch.exp(self.of("log_frequency"))[:, None]
        phase, mean = omega * x[:, None], weight.mean(1)
        waves = torch.cat([torch.sin(phase), x[:, None]], 1)
        f = ((waves @ self.modes.mT) * weight).sum(1) @ self.modes
        divergence = (mean[:-1, None] * omega * torch.cos(phase)).sum((1, 2)) + x.shape[1] * mean[-1]
        return f, divergence


class ShallowFlow(Continuous):
    """By a field with one hidden layer."""

    def __init__(self, fields: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        self.steps = fields["steps"]

    def velocity(self, x: Tensor, t: float) -> Pair:
        into, out = self.of("input.weight"), self.of("output.weight")
        hidden = torch.tanh(x @ into.mT + self.of("input.bias") + self.of("input.time") * t)
        gate = at_time(self.of("gate"), t, 0)
        return (gate * hidden) @ out.mT, (1 - hidden**2) @ (gate * (out.mT * into).sum(1))


def continuous(fields: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> Continuous:
    name, _ = variant(fields["field"])
    if name == "Lattice":
        return LatticeFlow(fields, shape, tensors)
    if name == "Shallow":
        return ShallowFlow(fields, shape, tensors)
    raise unknown("field", name)


class PlaquetteFlow(Continuous):
    """Of links, by a field of their plaquettes: these are integrated, and the links follow."""

    def __init__(self, fields: Any, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        self.steps, self.lattice = fields["steps"], list(shape[1:])
        momenta = itertools.product(*map(range, self.lattice))
        folded = [[min(n, extent - n) for n, extent in zip(k, self.lattice, strict=True)] for k in momenta]
        self.keep("orbits", torch.tensor(orbits_of(self.lattice, folded)).reshape(self.lattice))
        k_0, k_1 = (TAU * torch.arange(extent, dtype=torch.float64) / extent for extent in self.lattice)
        laplacian = (2 - 2 * torch.cos(k_0))[:, None] + (2 - 2 * torch.cos(k_1))[None, :]
        laplacian[0, 0] = math.inf
        self.keep("green", (1 / laplacian).to(self.of("weight").dtype))

    def _transfer(self, name: str, t: float) -> Tensor:
        """Of all pairs n, m, at every momentum: ``[M, M, L_0, L_1]``."""
        return at_time(self.of(name), t, 2)[:, :, self.orbits]

    def velocity(self, x: Tensor, t: float) -> Pair:
        """Of plaquettes ``[n, V]``. The divergence is the sum of dq(x)/dP(x), less the mean over y of dq(x)/dP(y)."""
        p = x.reshape(-1, *self.lattice)
        weight, sites = at_time(self.of("weight"), t, 1), x.shape[1]
        number = 1 + torch.arange(len(weight), device=x.device)[:, None, None]
        q = (weight[:, None, None] * torch.sin(number * p[:, None])).sum(1)
        own = (weight[:, None, None] * number * torch.cos(number * p[:, None])).sum((1, 2, 3))
        all_at_once = own

        a, b = self._transfer("sine_kernel", t), self._transfer("cosine_kernel", t)
        m = number[: len(a)] if len(a) <= len(weight) else 1 + torch.arange(len(a), device=x.device)[:, None, None]
        s, c = torch.sin(m * p[:, None]), torch.cos(m * p[:, None])

        def convolved(transfer: Tensor, f: Tensor) -> Tensor:
            """The sum over m of A_nm * f_m, for every n."""
            hat = torch.einsum("nmxy,bmxy->bnxy", transfer.to(torch.fft.fft2(f).dtype), torch.fft.fft2(f))
            return torch.fft.ifft2(hat).real

        of_c, of_s = convolved(a, c), convolved(b, s)
        q = q + (s * of_c + c * of_s).sum(1)
        by_first = (m * (c * of_c - s * of_s)).sum((1, 2, 3))
        on_site = torch.einsum("nm,bmxy,bnxy->b", b.mean((2, 3)), m * c, c) - torch.einsum("nm,bmxy,bnxy->b", a.mean((2, 3)), m * s, s)
        by_second = (c * convolved(b, m * c) - s * convolved(a, m * s)).sum((1, 2, 3))
        own, all_at_once = own + by_first + on_site, all_at_once + by_first + by_second
        v = q - q.mean((1, 2), keepdim=True)
        return v.flatten(1), own - all_at_once / sites

    def _integrated(self, x: Tensor, backwards: bool) -> Pair:
        links = x.reshape(-1, 2, *self.lattice)
        before = plaquettes(links).flatten(1)
        after, log_det = super()._integrated(before, backwards)
        change = (after - before).reshape(-1, *self.lattice)
        g = torch.fft.ifft2(torch.fft.fft2(change) * self.green).real
        along = torch.stack([g - torch.roll(g, 1, 2), torch.roll(g, 1, 1) - g], 1)
        return wrapped((links + along).flatten(1)), log_det
