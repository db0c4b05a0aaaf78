"""Actions of docs/MATH.md; their forces are left to autograd."""

import math

import torch


class Phi4:
    """(7)"""

    def __init__(self, lattice, kappa, coupling):
        self.lattice, self.kappa, self.coupling = lattice, kappa, coupling

    def __call__(self, x):
        field = x.reshape(-1, *self.lattice)
        neighbours = sum(torch.roll(field, -1, axis) for axis in range(1, field.dim()))
        square = field**2
        action = -2 * self.kappa * field * neighbours + (1 - 2 * self.coupling) * square + self.coupling * square**2
        return action.flatten(1).sum(1)


def gmm(x):
    """(9)"""
    return (x**2 + 1 - torch.log(torch.cosh(2 * x)) + 0.5 * math.log(math.pi)).sum(1)


def mask64(word):
    return word % 2**64


def split_mix(state):
    """The outputs of SplitMix64."""
    while True:
        state = mask64(state + 0x9E3779B97F4A7C15)
        z = state
        z = mask64((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9)
        z = mask64((z ^ (z >> 27)) * 0x94D049BB133111EB)
        yield z ^ (z >> 31)


def xoshiro256pp(state):
    """The outputs of xoshiro256++ for four words of state."""
    s = list(state)

    def rotated(word, by):
        return mask64(word << by) | word >> (64 - by)

    while True:
        yield mask64(rotated(mask64(s[0] + s[3]), 23) + s[0])
        t = mask64(s[1] << 17)
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotated(s[3], 45)


class RandomGaussians:
    """(39)"""

    def __init__(self, modes, dim, box, scale, seed):
        words = split_mix(seed)
        outputs = xoshiro256pp([next(words) for _ in range(4)])
        means = [[box * (2 * ((next(outputs) >> 11) * 2.0**-53) - 1) for _ in range(dim)] for _ in range(modes)]
        self.means, self.scale = torch.tensor(means, dtype=torch.float64), scale

    def __call__(self, x):
        modes, dim = self.means.shape
        distance = ((x[:, None, :] - self.means) ** 2).sum(2) / (2 * self.scale**2)
        return -torch.logsumexp(-distance, 1) + math.log(modes) + 0.5 * dim * math.log(2 * math.pi * self.scale**2)


def many_well(x):
    """(40)"""
    x, y = x[:, 0::2], x[:, 1::2]
    return (x**4 - 6 * x**2 - 0.5 * x + 0.5 * y**2).sum(1)


class Funnel:
    """(41)"""

    def __init__(self, sigma):
        self.sigma = sigma

    def __call__(self, x):
        first, rest = x[:, 0], x[:, 1:]
        of_first = first**2 / (2 * self.sigma**2) + math.log(self.sigma) + 0.5 * math.log(2 * math.pi)
        return of_first + (0.5 * rest**2 * torch.exp(-first)[:, None] + 0.5 * first[:, None] + 0.5 * math.log(2 * math.pi)).sum(1)


class Banana:
    """(42)"""

    def __init__(self, curvature, scale):
        self.curvature, self.scale = curvature, scale

    def __call__(self, x):
        bent = x[:, 1] - self.curvature * (x[:, 0] ** 2 - self.scale**2)
        squares = (x[:, 0] / self.scale) ** 2 + bent**2 + (x[:, 2:] ** 2).sum(1)
        return 0.5 * squares + math.log(self.scale) + 0.5 * x.shape[1] * math.log(2 * math.pi)


def plaquettes(links):
    """P(x) of links [batch, 2, L_0, L_1]."""
    u_0, u_1 = links[:, 0], links[:, 1]
    return u_0 + torch.roll(u_1, -1, 1) - torch.roll(u_0, -1, 2) - u_1


class U1:
    """Gauge theory in two dimensions."""

    def __init__(self, lattice, beta):
        self.lattice, self.beta = lattice, beta

    def __call__(self, x):
        return -self.beta * torch.cos(plaquettes(x.reshape(-1, 2, *self.lattice))).flatten(1).sum(1)
