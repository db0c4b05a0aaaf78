"""Densities that samples are drawn from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from .lattice import modes, orbits
from .parts import TAU, Tensors

LOG_TAU = math.log(TAU)


class Base(Tensors):
    """A density of ``[n, dof]``."""

    def __init__(self, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(tensors)
        self.dof = math.prod(shape)

    def log_density(self, z: Tensor) -> Tensor:
        raise NotImplementedError

    def made_of(self, noise: Tensor, generator: torch.Generator | None) -> Tensor:
        """Samples, of standard normals."""
        raise NotImplementedError

    def sample(self, n: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
        noise = torch.randn(n, self.dof, dtype=like.dtype, device=like.device, generator=generator)
        return self.made_of(noise, generator)


class StandardNormal(Base):
    def log_density(self, z: Tensor) -> Tensor:
        return -0.5 * (z**2).sum(1) - 0.5 * self.dof * LOG_TAU

    def made_of(self, noise: Tensor, generator: torch.Generator | None) -> Tensor:
        return noise


class UniformTorus(Base):
    def log_density(self, z: Tensor) -> Tensor:
        return z.new_full((len(z),), -self.dof * LOG_TAU)

    def sample(self, n: int, like: Tensor, generator: torch.Generator | None) -> Tensor:
        return TAU * torch.rand(n, self.dof, dtype=like.dtype, device=like.device, generator=generator)


class DiagonalNormal(Base):
    def log_density(self, z: Tensor) -> Tensor:
        log_scale = self.of("log_scale")
        noise = (z - self.of("mean")) * torch.exp(-log_scale)
        return -0.5 * (noise**2).sum(1) - log_scale.sum() - 0.5 * self.dof * LOG_TAU

    def made_of(self, noise: Tensor, generator: torch.Generator | None) -> Tensor:
        return self.of("mean") + noise * torch.exp(self.of("log_scale"))


class FreeField(Base):
    def __init__(self, shape: Sequence[int], tensors: Mapping[str, Tensor]) -> None:
        super().__init__(shape, tensors)
        self.keep("modes", modes(shape).to(self.of("log_scale").dtype))
        self.keep("orbits", orbits(shape))

    def log_density(self, z: Tensor) -> Tensor:
        log_scale = self.of("log_scale")[self.orbits]
        noise = (z @ self.modes.mT) * torch.exp(-log_scale)
        return -0.5 * (noise**2).sum(1) - log_scale.sum() - 0.5 * self.dof * LOG_TAU

    def made_of(self, noise: Tensor, generator: torch.Generator | None) -> Tensor:
        return (noise * torch.exp(self.of("log_scale")[self.orbits])) @ self.modes


class TwoSigns(FreeField):
    def log_density(self, z: Tensor) -> Tensor:
        above, below = (super(TwoSigns, self).log_density(z - sign * self.of("v")) for sign in (1, -1))
        return torch.logaddexp(above, below) - math.log(2)

    def made_of(self, noise: Tensor, generator: torch.Generator | None) -> Tensor:
        signs = torch.randint(2, (len(noise), 1), device=noise.device, generator=generator)
        return super().made_of(noise, generator) + (2 * signs - 1) * self.of("v")


KINDS: dict[str, type[Base]] = {
    "StandardNormal": StandardNormal,
    "UniformTorus": UniformTorus,
    "DiagonalNormal": DiagonalNormal,
    "FreeField": FreeField,
    "TwoSigns": TwoSigns,
}
