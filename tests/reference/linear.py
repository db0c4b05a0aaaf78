"""Scaling, ActNorm and linear layers, docs/WEIGHTS.md "Scaling", "ActNorm" and "Linear layers"."""

import itertools
import math

import torch

from layer import Layer
from targets import split_mix


class Affine(Layer):
    """A layer that is linear but for a shift."""

    def matrix_and_shift(self, theta):
        """A and b of y = A x + b."""
        raise NotImplementedError

    def map(self, theta, x):
        matrix, shift = self.matrix_and_shift(theta)
        return x @ matrix.T + shift

    def solve(self, theta, y):
        matrix, shift = self.matrix_and_shift(theta)
        return torch.linalg.solve(matrix, (y - shift).T).T


class Scaling(Affine):
    def __init__(self, dof, each=False):
        self.dof, self.number = dof, dof if each else 1

    def shapes(self):
        return {"log_scale": [self.number]}

    def matrix_and_shift(self, theta):
        return torch.diag(torch.exp(self.tensor(theta, "log_scale")).expand(self.dof)), 0.0


class ActNorm(Affine):
    def __init__(self, dof):
        self.dof = dof

    def shapes(self):
        return {"log_scale": [self.dof], "shift": [self.dof]}

    def matrix_and_shift(self, theta):
        return torch.diag(torch.exp(self.tensor(theta, "log_scale"))), self.tensor(theta, "shift")


def random_order(n, seed):
    found, numbers = list(range(n)), split_mix(seed)
    for i in range(n - 1, 0, -1):
        j = next(numbers) % (i + 1)
        found[i], found[j] = found[j], found[i]
    return found


def along(lattice, direction, by):
    """The site `by` steps on along an axis."""
    sites = list(itertools.product(*map(range, lattice)))
    moved = [tuple((c + by * (a == direction)) % lattice[a] for a, c in enumerate(site)) for site in sites]
    return [sites.index(site) for site in moved]


class Linear(Affine):
    """P L U x + b, of all numbers or of the cells of a lattice."""

    def __init__(self, lattice, cells=None, order=None, negative=(), bias=True):
        self.lattice, self.cells, self.negative, self.bias = lattice, cells, negative, bias
        self.channels = math.prod(cells or lattice)
        self.order = list(range(self.channels)) if order is None else order

    def shapes(self):
        n = self.channels
        triangle = [n * (n - 1) // 2]
        return {"lower": triangle, "upper": triangle, "log_diagonal": [n]} | ({"bias": [n]} if self.bias else {})

    def of_a_cell(self, theta):
        n = self.channels
        rows, columns = torch.tril_indices(n, n, -1)
        lower = torch.eye(n, dtype=torch.float64).index_put((rows, columns), self.tensor(theta, "lower"))
        rows, columns = torch.triu_indices(n, n, 1)
        signs = torch.tensor([-1.0 if i in self.negative else 1.0 for i in range(n)], dtype=torch.float64)
        upper = torch.diag(signs * torch.exp(self.tensor(theta, "log_diagonal")))
        upper = upper.index_put((rows, columns), self.tensor(theta, "upper"))
        bias = self.tensor(theta, "bias") if self.bias else torch.zeros(n, dtype=torch.float64)
        return (lower @ upper)[self.order], bias

    def map(self, theta, x):
        """With cells: a convolution of kernel size and stride [c_0, c_1], its channels written back to the sites of the cells."""
        matrix, bias = self.of_a_cell(theta)
        if self.cells is None:
            return x @ matrix.T + bias
        filters = matrix.reshape(self.channels, 1, *self.cells)
        field = x.reshape(-1, 1, *self.lattice)
        return self.written_back(torch.conv2d(field, filters, bias, stride=self.cells))

    def written_back(self, channels):
        """From [batch, channels, cells along axis 0, along axis 1] to flat indices."""
        return channels.unflatten(1, self.cells).permute(0, 3, 1, 4, 2).flatten(1)

    def solve(self, theta, y):
        matrix, bias = self.of_a_cell(theta)
        if self.cells is None:
            return torch.linalg.solve(matrix, (y - bias).T).T
        (l_0, l_1), (c_0, c_1) = self.lattice, self.cells
        channels = y.reshape(-1, l_0 // c_0, c_0, l_1 // c_1, c_1).permute(0, 2, 4, 1, 3).flatten(1, 2)
        return self.written_back(torch.einsum("ij,bjxy->bixy", torch.linalg.inv(matrix), channels - bias[:, None, None]))

    def log_det(self, theta, x):
        cells = x.shape[1] // self.channels
        return cells * self.tensor(theta, "log_diagonal").sum().expand(len(x))


class Householder(Affine):
    def __init__(self, dof, reflections, bias=True):
        self.dof, self.reflections, self.bias = dof, reflections, bias

    def shapes(self):
        return {"vectors": [self.reflections, self.dof]} | ({"bias": [self.dof]} if self.bias else {})

    def matrix_and_shift(self, theta):
        matrix = torch.eye(self.dof, dtype=torch.float64)
        for v in self.tensor(theta, "vectors"):
            matrix = matrix - 2 * torch.outer(v, v @ matrix) / (v @ v)
        return matrix, self.tensor(theta, "bias") if self.bias else 0.0


class Permutation(Affine):
    def __init__(self, order):
        self.order = order

    def matrix_and_shift(self, theta):
        return torch.eye(len(self.order), dtype=torch.float64)[self.order], 0.0
