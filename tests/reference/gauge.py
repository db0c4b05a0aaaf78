"""Gauge couplings, docs/WEIGHTS.md "Gauge couplings"."""

import math

import torch

from layer import Layer
from nets import Cnn
from targets import plaquettes


class GaugeCoupling(Layer):
    def __init__(self, lattice, direction, offset, hidden, transform, kernel=3, slope=0.01):
        self.lattice, self.direction, self.transform = lattice, direction, transform
        sites = torch.meshgrid(*(torch.arange(extent) for extent in lattice), indexing="ij")
        residue = (sites[1 - direction] - offset) % 4
        self.active, self.frozen = residue == 0, (residue == 1) | (residue == 2)
        leaky_relu = torch.nn.LeakyReLU(slope)
        self.net = Cnn(lattice, 2, hidden, transform.width, kernel, leaky_relu)

    def shapes(self):
        return self.net.shapes()

    def phi(self, theta, p):
        """Parameters of every active plaquette: [batch, active, w]."""
        seen = torch.where(self.frozen, p, 0.0)
        outputs = self.net(lambda name: self.tensor(theta, name), torch.stack([torch.cos(seen), torch.sin(seen)], 1))
        return outputs[:, :, self.active].mT

    def moved(self, x, change):
        """Links whose active plaquettes change by so much."""
        links = x.reshape(-1, 2, *self.lattice)
        on_sites = torch.zeros(len(x), *self.lattice, dtype=x.dtype)
        on_sites = on_sites.masked_scatter(self.active, change)
        changes = [on_sites, torch.zeros_like(on_sites)] if self.direction == 0 else [torch.zeros_like(on_sites), -on_sites]
        return torch.remainder(links + torch.stack(changes, 1), 2 * math.pi).flatten(1)

    def active_and_phi(self, theta, x):
        p = plaquettes(x.reshape(-1, 2, *self.lattice))
        return p[:, self.active], self.phi(theta, p)

    def map(self, theta, x):
        p, phi = self.active_and_phi(theta, x)
        return self.moved(x, self.transform(p, phi)[0] - p)

    def log_det(self, theta, x):
        return self.transform(*self.active_and_phi(theta, x))[1].sum(1)

    def solve(self, theta, y):
        with torch.no_grad():
            moved, phi = self.active_and_phi(theta, y)
            return self.moved(y, self.transform.inverse(moved, phi) - moved)
