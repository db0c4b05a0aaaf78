"""Couplings of numbers and of angles, docs/WEIGHTS.md "Couplings"; their nets are fully connected or convolutional."""

import itertools
import math

import torch

from layer import Layer
from nets import Cnn, Mlp


def alternating(dof, parity):
    return [i for i in range(dof) if i % 2 == parity]


def checkerboard(lattice, parity):
    return [i for i, site in enumerate(itertools.product(*map(range, lattice))) if sum(site) % 2 == parity]


class Coupling(Layer):
    """Transforms the flat indices `moved`; `phi` is left to the kind of net."""

    def __init__(self, dof, moved, transform):
        self.dof, self.moved, self.transform = dof, sorted(moved), transform
        self.kept = [i for i in range(dof) if i not in moved]

    def shapes(self):
        return self.net.shapes()

    def phi(self, theta, x):
        """Parameters of every transformed number: [batch, moved, w]."""
        kept = self.features(x[:, self.kept])
        outputs = self.net(lambda name: self.tensor(theta, name), kept)
        return outputs.reshape(len(x), self.transform.width, len(self.moved)).mT

    def features(self, kept):
        return kept

    def joined(self, moved, x):
        order = torch.argsort(torch.tensor(self.moved + self.kept))
        return torch.cat([moved, x[:, self.kept]], 1)[:, order]

    def map(self, theta, x):
        return self.joined(self.transform(x[:, self.moved], self.phi(theta, x))[0], x)

    def log_det(self, theta, x):
        return self.transform(x[:, self.moved], self.phi(theta, x))[1].sum(1)

    def solve(self, theta, y):
        with torch.no_grad():
            return self.joined(self.transform.inverse(y[:, self.moved], self.phi(theta, y)), y)


class MlpCoupling(Coupling):
    def __init__(self, dof, moved, hidden, transform, **options):
        super().__init__(dof, moved, transform)
        self.net = Mlp(len(self.kept), hidden, len(self.moved) * transform.width, **options)


class AngleCoupling(Coupling):
    def __init__(self, dof, moved, hidden, transform, **options):
        super().__init__(dof, moved, transform)
        self.net = Mlp(2 * len(self.kept), hidden, len(self.moved) * transform.width, **options)

    def features(self, kept):
        return torch.cat([torch.cos(kept), torch.sin(kept)], 1)

    def joined(self, moved, x):
        return super().joined(torch.remainder(moved, 2 * math.pi), x)


class CnnCoupling(Coupling):
    def __init__(self, lattice, parity, hidden, transform, symmetric=False, **options):
        super().__init__(math.prod(lattice), checkerboard(lattice, parity), transform)
        odd_output = transform.odd_output if symmetric else None
        self.net = Cnn(lattice, 1, hidden, transform.width, odd_output=odd_output, **options)
        self.lattice = lattice

    def phi(self, theta, x):
        is_kept = torch.zeros(self.dof, dtype=x.dtype)
        is_kept[self.kept] = 1
        outputs = self.net(lambda name: self.tensor(theta, name), (x * is_kept).reshape(-1, 1, *self.lattice))
        return outputs.flatten(2)[:, :, self.moved].mT
