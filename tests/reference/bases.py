"""Bases, docs/WEIGHTS.md "The flow". `remade` gives z once more, as a function of the parameters at fixed random numbers ε."""

import itertools
import math

import torch

LOG_TAU = math.log(2 * math.pi)


def axis_modes(extent):
    """The real orthonormal modes of an axis, a row each."""
    x = torch.arange(extent, dtype=torch.float64)
    rows = [torch.full((extent,), 1 / math.sqrt(extent), dtype=torch.float64)]
    for r in range(1, extent):
        k = (r + 1) // 2
        wave = torch.cos if r % 2 == 1 else torch.sin
        rows.append(math.sqrt(2 / extent) * wave(2 * math.pi * k * x / extent))
    if extent % 2 == 0:
        rows[-1] = (-1) ** x / math.sqrt(extent)
    return torch.stack(rows)


def modes(lattice):
    """m_r(x), modes and sites in C order: [V, V]."""
    product = torch.ones(1, 1, dtype=torch.float64)
    for extent in lattice:
        product = torch.kron(product, axis_modes(extent))
    return product


def orbits(lattice):
    """The number of the orbit of every mode, in C order."""

    def representative(frequencies):
        """Frequencies on axes of equal extents in ascending order."""
        found = list(frequencies)
        for extent in set(lattice):
            axes = [axis for axis, other in enumerate(lattice) if other == extent]
            for axis, k in zip(axes, sorted(frequencies[axis] for axis in axes)):
                found[axis] = k
        return tuple(found)

    numbers = {}
    for frequencies in itertools.product(*(range(extent // 2 + 1) for extent in lattice)):
        numbers.setdefault(representative(frequencies), len(numbers))
    all_modes = itertools.product(*(range(extent) for extent in lattice))
    return torch.tensor([numbers[representative([(r + 1) // 2 for r in mode])] for mode in all_modes])


class StandardNormal:
    def shapes(self):
        return {}

    def log_density(self, theta, z):
        return -0.5 * (z**2 + LOG_TAU).sum(1)

    def remade(self, theta, z):
        return z.detach()


class UniformTorus(StandardNormal):
    def log_density(self, theta, z):
        return -LOG_TAU * z.shape[1] + 0 * z.sum(1)


class DiagonalNormal:
    def __init__(self, dof):
        self.dof = dof

    def shapes(self):
        return {"log_scale": [self.dof], "mean": [self.dof]}

    def log_density(self, theta, z):
        mean, log_scale = theta["base.mean"], theta["base.log_scale"]
        return -(0.5 * (z - mean) ** 2 * torch.exp(-2 * log_scale) + log_scale + 0.5 * LOG_TAU).sum(1)

    def remade(self, theta, z):
        mean, log_scale = theta["base.mean"], theta["base.log_scale"]
        noise = ((z - mean) * torch.exp(-log_scale)).detach()
        return mean + noise * torch.exp(log_scale)


class FreeField:
    def __init__(self, lattice):
        self.modes, self.orbits = modes(lattice), orbits(lattice)

    def shapes(self):
        return {"log_scale": [int(self.orbits.max()) + 1]}

    def log_scale(self, theta):
        return theta["base.log_scale"][self.orbits]

    def log_density(self, theta, z):
        log_scale = self.log_scale(theta)
        return -0.5 * ((z @ self.modes.T) ** 2 * torch.exp(-2 * log_scale) + 2 * log_scale + LOG_TAU).sum(1)

    def remade(self, theta, z):
        log_scale = self.log_scale(theta)
        noise = (z @ self.modes.T * torch.exp(-log_scale)).detach()
        return (noise * torch.exp(log_scale)) @ self.modes


class TwoSigns(FreeField):
    def shapes(self):
        return super().shapes() | {"v": [1]}

    def parts(self, theta, z):
        """log of ½ N(z ∓ v), one after the other."""
        density = [super(TwoSigns, self).log_density(theta, z - sign * theta["base.v"]) for sign in (1, -1)]
        return torch.stack(density) + math.log(0.5)

    def log_density(self, theta, z):
        return torch.logsumexp(self.parts(theta, z), 0)

    def remade(self, theta, z):
        """The mean over the two signs that give z, with their probabilities."""
        probability = torch.softmax(self.parts(theta, z), 0).detach()
        made = [sign * theta["base.v"] + super(TwoSigns, self).remade(theta, z - sign * theta["base.v"]) for sign in (1, -1)]
        return (probability[:, :, None] * torch.stack(made)).sum(0)
