"""Plaquette flows, docs/WEIGHTS.md "Plaquette flows". Here the links themselves are integrated, along Dᵀ G of the velocity v of
the plaquettes: by linear algebra this is the same discrete map as that of the plaquettes alone."""

import itertools
import math

import torch

from continuous import Continuous, cosines
from targets import plaquettes


def momenta(extent):
    return 2 * math.pi * torch.arange(extent, dtype=torch.float64) / extent


class PlaquetteField:
    def __init__(self, lattice, sines, products, times):
        self.lattice, self.sines, self.products, self.times = lattice, sines, products, times
        self.kernels = self.convolutions()

    def convolutions(self):
        """For every orbit o the matrix (1/V) Σ_{k in o} cos(k·(x − y)): [orbits, V, V]."""
        n_0, n_1 = (range(extent // 2 + 1) for extent in self.lattice)
        square = self.lattice[0] == self.lattice[1]
        numbers = {n: o for o, n in enumerate(n for n in itertools.product(n_0, n_1) if not square or n[0] <= n[1])}
        sites = torch.tensor(list(itertools.product(*map(range, self.lattice))), dtype=torch.float64)
        kernels = torch.zeros(len(numbers), len(sites), len(sites), dtype=torch.float64)
        for n in itertools.product(*map(range, self.lattice)):
            folded = [min(n_mu, extent - n_mu) for n_mu, extent in zip(n, self.lattice)]
            k = torch.tensor([2 * math.pi * n_mu / extent for n_mu, extent in zip(n, self.lattice)], dtype=torch.float64)
            phase = sites @ k
            orbit = numbers[tuple(sorted(folded) if square else folded)]
            kernels[orbit] += torch.cos(phase[:, None] - phase[None, :]) / len(sites)
        return kernels

    def shapes(self):
        kernel = [self.products, self.products, self.times, len(self.kernels)]
        return {"weight": [self.sines, self.times], "sine_kernel": kernel, "cosine_kernel": kernel}

    def convolved(self, kernel, t, values):
        return values @ torch.einsum("o,oxy->xy", cosines(kernel, t), self.kernels).T

    def velocity(self, theta, p, t):
        """v of plaquettes [batch, V]."""
        q = sum(cosines(w, t) * torch.sin(n * p) for n, w in enumerate(theta["weight"], 1))
        for n, m in itertools.product(range(1, self.products + 1), repeat=2):
            sine_kernel, cosine_kernel = theta["sine_kernel"][n - 1, m - 1], theta["cosine_kernel"][n - 1, m - 1]
            q = q + torch.sin(n * p) * self.convolved(sine_kernel, t, torch.cos(m * p))
            q = q + torch.cos(n * p) * self.convolved(cosine_kernel, t, torch.sin(m * p))
        return q - q.mean(1, keepdim=True)

    def __call__(self, theta, x, t):
        """The velocity of the links: v divided by Σ_μ (2 − 2 cos k_μ), then its differences along the axes."""
        p = plaquettes(x.reshape(-1, 2, *self.lattice))
        v = self.velocity(theta, p.flatten(1), t).reshape(p.shape)
        k_0, k_1 = (momenta(extent) for extent in self.lattice)
        laplacian = (2 - 2 * torch.cos(k_0))[:, None] + (2 - 2 * torch.cos(k_1))[None, :]
        laplacian[0, 0] = math.inf
        g = torch.fft.ifft2(torch.fft.fft2(v) / laplacian).real
        return torch.stack([g - torch.roll(g, 1, 2), torch.roll(g, 1, 1) - g], 1).flatten(1)


class PlaquetteFlow(Continuous):
    def wrapped(self, x):
        return torch.remainder(x, 2 * math.pi)
