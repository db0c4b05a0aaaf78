"""Continuous flows, docs/MATH.md (30) to (32): the Runge–Kutta method of order 4; vector fields on a lattice, and shallow."""

import math

import torch

from bases import modes, orbits
from layer import Layer, jacobian, leaf


class Continuous(Layer):
    """The flow of a vector field over a unit of time, in `steps` steps; backwards its inverse."""

    def __init__(self, field, steps, backwards=False):
        self.field, self.steps, self.backwards = field, steps, backwards

    def shapes(self):
        return self.field.shapes()

    def times(self):
        """The beginning and the length of every step."""
        h = 1 / self.steps
        return [(1 - n * h, -h) if self.backwards else (n * h, h) for n in range(self.steps)]

    def velocity(self, theta, x, t):
        """f(x, t) and its divergence, the trace of the dense Jacobian."""
        theta = {name: self.tensor(theta, name) for name in self.shapes()}
        f = self.field(theta, x, t)
        return f, jacobian(f, x).diagonal(dim1=1, dim2=2).sum(1)

    def forward(self, theta, x):
        """(30)"""
        x = x if x.requires_grad else leaf(x)
        log_det = 0
        for t, h in self.times():
            k, change_x, change_log_det = 0, 0, 0
            for c, b in zip((0, 0.5, 0.5, 1), (1 / 6, 2 / 6, 2 / 6, 1 / 6)):
                k, divergence = self.velocity(theta, x + h * c * k, t + c * h)
                change_x, change_log_det = change_x + h * b * k, change_log_det + h * b * divergence
            x, log_det = x + change_x, log_det + change_log_det
        return self.wrapped(x), log_det

    def push(self, theta, x, score):
        """(30) and (31): the score along dx/dt = f, ds/dt = −(∂f/∂x)ᵀ s − ∇ div f, all by one Runge–Kutta method."""
        x, log_det = x.detach(), torch.zeros(len(x), dtype=x.dtype)
        for t, h in self.times():
            k, slope, change_x, change_score = 0, 0, 0, 0
            for c, b in zip((0, 0.5, 0.5, 1), (1 / 6, 2 / 6, 2 / 6, 1 / 6)):
                x_i, score_i = leaf(x + h * c * k), score + h * c * slope
                k, divergence = self.velocity(theta, x_i, t + c * h)
                slope = -torch.autograd.grad(((k * score_i).sum(1) + divergence).sum(), x_i)[0]
                k, slope = k.detach(), slope.detach()
                change_x, change_score = change_x + h * b * k, change_score + h * b * slope
                log_det = log_det + h * b * divergence.detach()
            x, score = x + change_x, score + change_score
        return self.wrapped(x), log_det, score

    def wrapped(self, x):
        return x

    def inverted(self):
        other = type(self)(self.field, self.steps, not self.backwards)
        other.prefix = self.prefix
        return other


def cosines(coefficients, t):
    """Σ_j c_j cos(πjt), j running over the first axis."""
    return sum(c * math.cos(math.pi * j * t) for j, c in enumerate(coefficients))


class LatticeField:
    """(33)"""

    def __init__(self, lattice, frequencies, times):
        self.modes, self.orbits = modes(lattice), orbits(lattice)
        self.frequencies, self.times = frequencies, times

    def shapes(self):
        weight = [self.frequencies + 1, self.times, int(self.orbits.max()) + 1]
        return {"weight": weight, "log_frequency": [self.frequencies]}

    def __call__(self, theta, x, t):
        waves = [torch.sin(omega * x) for omega in torch.exp(theta["log_frequency"])] + [x]
        weights = [cosines(weight, t)[self.orbits] for weight in theta["weight"]]
        return sum((wave @ self.modes.T) * weight for wave, weight in zip(waves, weights)) @ self.modes


class ShallowField:
    """(35)"""

    def __init__(self, dof, width, times):
        self.dof, self.width, self.times = dof, width, times

    def shapes(self):
        return {
            "input.weight": [self.width, self.dof], "input.bias": [self.width], "input.time": [self.width],
            "gate": [self.times, self.width], "output.weight": [self.dof, self.width],
        }  # fmt: skip

    def __call__(self, theta, x, t):
        hidden = x @ theta["input.weight"].T + theta["input.bias"] + theta["input.time"] * t
        return (cosines(theta["gate"], t) * torch.tanh(hidden)) @ theta["output.weight"].T
