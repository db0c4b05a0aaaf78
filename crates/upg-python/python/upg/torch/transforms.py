"""Monotone transforms of numbers and of angles: g and log g', and their inverses.

The parameters phi are along the last axis. An inverse returns t with g(t) = y, and log g' there. Those without a closed form are found by Newton
steps inside a bracket; two more steps, which autograd sees, give them derivatives that are right up to the third.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .parts import TAU, unknown, variant

Pair = tuple[Tensor, Tensor]
LEAST = 0.001
MOST_STEPS = 200


def softplus(x: Tensor) -> Tensor:
    """log(1 + e^x), to the last digit of float64, too."""
    return F.softplus(x, threshold=40.0)


class Transform:
    """A monotone g of a number."""

    width: int
    odd_output = -1
    """Which of the outputs changes its sign with the number, under Z2."""

    def __call__(self, t: Tensor, phi: Tensor) -> Pair:
        raise NotImplementedError

    def inverse(self, y: Tensor, phi: Tensor) -> Pair:
        raise NotImplementedError


def solved(g: Callable[[Tensor], Pair], y: Tensor, low: Tensor, high: Tensor) -> Pair:
    """t in [low, high] with g(t) = y for a rising g, and log g' there; differentiable in all that g and y depend on."""
    with torch.no_grad():
        t = _root(g, y, low, high)
    for _ in range(2):
        value, log_slope = g(t)
        t = t - (value - y) * torch.exp(-log_slope)
    return t, g(t)[1]


def _root(g: Callable[[Tensor], Pair], y: Tensor, low: Tensor, high: Tensor) -> Tensor:
    t, done, least = (low + high) / 2, torch.zeros_like(y, dtype=torch.bool), 4 * torch.finfo(y.dtype).eps
    for step in range(MOST_STEPS):
        value, log_slope = g(t)
        low, high = torch.where(value <= y, t, low), torch.where(value >= y, t, high)
        middle, newton = (low + high) / 2, t - (value - y) * torch.exp(-log_slope)
        inside = (newton >= low) & (newton <= high)
        near = inside & (abs(newton - t) <= least * (1 + abs(t)))
        done = done | near | (high - low <= least * (1 + abs(t)))
        if bool(done.all()):
            break
        t = torch.where(done, t, torch.where(inside & torch.tensor(step % 3 != 2, device=t.device), newton, middle))
    return t


class Additive(Transform):
    width, odd_output = 1, 0

    def __call__(self, t: Tensor, phi: Tensor) -> Pair:
        return t + phi[..., 0], torch.zeros_like(t)

    def inverse(self, y: Tensor, phi: Tensor) -> Pair:
        return y - phi[..., 0], torch.zeros_like(y)


class Affine(Transform):
    width, odd_output = 2, 0

    def __init__(self, clamp: float | None = None) -> None:
        self.clamp = clamp

    def _shift_and_log_scale(self, phi: Tensor) -> Pair:
        shift, raw = phi[..., 0], phi[..., 1]
        return shift, raw if self.clamp is None else self.clamp * torch.tanh(raw / self.clamp)

    def __call__(self, t: Tensor, phi: Tensor) -> Pair:
        shift, log_scale = self._shift_and_log_scale(phi)
        return t * torch.exp(log_scale) + shift, log_scale

    def inverse(self, y: Tensor, phi: Tensor) -> Pair:
        shift, log_scale = self._shift_and_log_scale(phi)
        return (y - shift) * torch.exp(-log_scale), log_scale


class LogisticMixture(Transform):
    def __init__(self, mixtures: int) -> None:
        self.width, self.mixtures = 2 + 3 * mixtures, mixtures

    def __call__(self, t: Tensor, phi: Tensor) -> Pair:
        log_scale, shift = phi[..., 0], phi[..., 1]
        weight, mean, scale = torch.split(phi[..., 2:], self.mixtures, -1)
        u = (t[..., None] - mean) * torch.exp(-scale)
        log_pi, below, above = torch.log_softmax(weight, -1), F.logsigmoid(u), F.logsigmoid(-u)
        log_f, log_rest = torch.logsumexp(log_pi + below, -1), torch.logsumexp(log_pi + above, -1)
        log_density = torch.logsumexp(log_pi + below + above - scale, -1)
        return torch.exp(log_scale) * (log_f - log_rest) + shift, log_scale + log_density - log_f - log_rest

    def inverse(self, y: Tensor, phi: Tensor) -> Pair:
        """The solutions of the single components enclose that of the mixture."""
        _, mean, scale = torch.split(phi[..., 2:], self.mixtures, -1)
        ends = mean + torch.exp(scale) * ((y - phi[..., 1]) * torch.exp(-phi[..., 0]))[..., None]
        return solved(lambda t: self(t, phi), y, ends.amin(-1).detach(), ends.amax(-1).detach())


class Knots:
    """A rational-quadratic spline between its knots."""

    def __init__(self, theta_w: Tensor, theta_h: Tensor, slopes: Tensor, start: float, length: float) -> None:
        self.x, self.y = _knots(theta_w, start, length), _knots(theta_h, start, length)
        self.slopes = slopes

    def _bin(self, at: Tensor, knots: Tensor) -> list[Tensor]:
        k = ((at[..., None] >= knots[..., 1:-1]).sum(-1, keepdim=True)).clamp(max=knots.shape[-1] - 2)
        ends = [torch.gather(values, -1, k + i)[..., 0] for values in (self.x, self.y, self.slopes) for i in (0, 1)]
        x, x_next, y, y_next, slope, slope_next = ends
        return [x, x_next - x, y, y_next - y, slope, slope_next]

    def __call__(self, t: Tensor) -> Pair:
        x, w, y, h, slope, slope_next = self._bin(t, self.x)
        xi, s = (t - x) / w, h / w
        rest = 1 - xi
        d = s + (slope_next + slope - 2 * s) * xi * rest
        g = y + h * (s * xi**2 + slope * xi * rest) / d
        return g, _log_slope(xi, rest, s, d, slope, slope_next)

    def inverse(self, y_of_t: Tensor) -> Pair:
        """Of the two ways to write the solution the one in which nothing cancels."""
        x, w, y, h, slope, slope_next = self._bin(y_of_t, self.y)
        eta, s = (y_of_t - y) / h, h / w
        up, down = 2 * s * eta, 2 * s * (1 - eta)
        b = slope * (1 - eta) - slope_next * eta
        root = torch.sqrt(b**2 + up * down)
        rises = b >= 0
        part, other = torch.where(rises, up, root - b), torch.where(rises, b + root, down)
        xi, rest = part / (part + other), other / (part + other)
        d = s + (slope_next + slope - 2 * s) * xi * rest
        return x + w * xi, _log_slope(xi, rest, s, d, slope, slope_next)


def _log_slope(xi: Tensor, rest: Tensor, s: Tensor, d: Tensor, slope: Tensor, slope_next: Tensor) -> Tensor:
    within = slope_next * xi**2 + 2 * s * xi * rest + slope * rest**2
    return 2 * torch.log(s) + torch.log(within) - 2 * torch.log(d)


def _knots(theta: Tensor, start: float, length: float) -> Tensor:
    widths = length * (LEAST + (1 - LEAST * theta.shape[-1]) * torch.softmax(theta, -1))
    return F.pad(start + torch.cumsum(widths, -1), (1, 0), value=start)


def _slopes(theta: Tensor) -> Tensor:
    return LEAST + softplus(theta + math.log(math.exp(1 - LEAST) - 1))


def _identity_outside(t: Tensor, interval: float, inside: Callable[[Tensor], Pair]) -> Pair:
    """Outside, 0 stands in for t, so that derivatives are numbers."""
    within = abs(t) < interval
    g, log_slope = inside(torch.where(within, t, torch.zeros_like(t)))
    return torch.where(within, g, t), torch.where(within, log_slope, torch.zeros_like(t))


class Spline(Transform):
    def __init__(self, bins: int, interval: float) -> None:
        self.width, self.bins, self.interval = 3 * bins - 1, bins, interval

    def _knots(self, phi: Tensor) -> Knots:
        theta_w, theta_h, theta_d = torch.split(phi, [self.bins, self.bins, self.bins - 1], -1)
        return Knots(theta_w, theta_h, F.pad(_slopes(theta_d), (1, 1), value=1.0), -self.interval, 2 * self.interval)

    def __call__(self, t: Tensor, phi: Tensor) -> Pair:
        return _identity_outside(t, self.interval, self._knots(phi))

    def inverse(self, y: Tensor, phi: Tensor) -> Pair:
        return _identity_outside(y, self.interval, self._knots(phi).inverse)


class OddSpline(Transform):
    def __init__(self, bins: int, interval: float) -> None:
        self.width, self.bins, self.interval = 3 * bins + 1, bins, interval
        self.odd_output = 3 * bins

    def _knots(self, phi: Tensor) -> Knots:
        theta_w, theta_h, theta_d = torch.split(phi[..., :-1], self.bins, -1)
        return Knots(theta_w, theta_h, F.pad(_slopes(theta_d), (0, 1), value=1.0), 0.0, self.interval)

    def _odd(self, t: Tensor, of_positive: Callable[[Tensor], Pair]) -> Pair:
        def inside(t: Tensor) -> Pair:
            g, log_slope = of_positive(abs(t))
            return torch.where(t < 0, -g, g), log_slope

        return _identity_outside(t, self.interval, inside)

    def __call__(self, t: Tensor, phi: Tensor) -> Pair:
        g, log_slope = self._odd(t, self._knots(phi))
        return g + phi[..., -1], log_slope

    def inverse(self, y: Tensor, phi: Tensor) -> Pair:
        return self._odd(y - phi[..., -1], self._knots(phi).inverse)


class OfAngle(Transform):
    """A rising lift from [0, 2 pi] onto itself, and a shift, the last of phi; what comes out isn't wrapped."""

    def _lift(self, t: Tensor, phi: Tensor) -> Pair:
        raise NotImplementedError

    def _lowered(self, y: Tensor, phi: Tensor) -> Pair:
        raise NotImplementedError

    def __call__(self, t: Tensor, phi: Tensor) -> Pair:
        g, log_slope = self._lift(wrapped_softly(t), phi)
        return g + phi[..., -1], log_slope

    def inverse(self, y: Tensor, phi: Tensor) -> Pair:
        return self._lowered(wrapped_softly(y - phi[..., -1]), phi)


def wrapped_softly(t: Tensor) -> Tensor:
    """t modulo 2 pi in [0, 2 pi], both ends included."""
    return torch.remainder(t, TAU)


class CircularSpline(OfAngle):
    def __init__(self, bins: int) -> None:
        self.width, self.bins = 3 * bins + 1, bins

    def _knots(self, phi: Tensor) -> Knots:
        theta_w, theta_h, theta_d = torch.split(phi[..., :-1], self.bins, -1)
        slopes = _slopes(theta_d)
        return Knots(theta_w, theta_h, torch.cat([slopes, slopes[..., :1]], -1), 0.0, TAU)

    def _lift(self, t: Tensor, phi: Tensor) -> Pair:
        return self._knots(phi)(t)

    def _lowered(self, y: Tensor, phi: Tensor) -> Pair:
        return self._knots(phi).inverse(y)


class TanMixture(OfAngle):
    def __init__(self, mixtures: int) -> None:
        self.width = mixtures + 1

    def _lift(self, t: Tensor, phi: Tensor) -> Pair:
        scale, half = torch.exp(phi[..., :-1]), t[..., None] / 2
        sine, cosine = torch.sin(half), torch.cos(half)
        moved = 2 * torch.atan((scale - 1) * sine * cosine / (cosine**2 + scale * sine**2))
        slope = 1 / (cosine**2 / scale + scale * sine**2)
        return t + moved.mean(-1), torch.log(slope.mean(-1))

    def _lowered(self, y: Tensor, phi: Tensor) -> Pair:
        ends = torch.zeros_like(y), torch.full_like(y, TAU)
        return solved(lambda t: self._lift(t, phi), y, *ends)


KINDS: dict[str, Callable[..., Transform]] = {
    "Additive": Additive,
    "Affine": Affine,
    "LogisticMixture": LogisticMixture,
    "Spline": Spline,
    "OddSpline": OddSpline,
    "CircularSpline": CircularSpline,
    "TanMixture": TanMixture,
}


def transform(description: Any) -> Transform:
    name, fields = variant(description)
    if name not in KINDS:
        raise unknown("transform", name)
    return KINDS[name](**fields)
