"""Transforms of a number or of an angle, docs/WEIGHTS.md "Couplings", "Splines", "Couplings of angles", "Gauge couplings".
φ has the parameters along its last axis. A transform returns g(t) and the formula for log g′; inverses are found by bisection."""

import math

import torch
import torch.nn.functional as F

SMALLEST = 0.001


def bisected(g, y, low, high):
    """t with g(t) = y for a rising g, to the last bit or so."""
    low, high = torch.full_like(y, low), torch.full_like(y, high)
    for _ in range(120):
        middle = (low + high) / 2
        above = g(middle) > y
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return (low + high) / 2


class OfNumber:
    """A transform of a number, with an inverse on a wide interval."""

    odd_output = None

    def inverse(self, y, phi):
        return bisected(lambda t: self(t, phi)[0], y, -200.0, 200.0)


class Additive(OfNumber):
    width, odd_output = 1, 0

    def __call__(self, t, phi):
        return t + phi[..., 0], torch.zeros_like(t)


class Affine(OfNumber):
    width, odd_output = 2, 0

    def __init__(self, clamp=None):
        self.clamp = clamp

    def __call__(self, t, phi):
        m, r = phi[..., 0], phi[..., 1]
        s = r if self.clamp is None else self.clamp * torch.tanh(r / self.clamp)
        return t * torch.exp(s) + m, s


class LogisticMixture(OfNumber):
    def __init__(self, mixtures):
        self.width, self.mixtures = 2 + 3 * mixtures, mixtures

    def inverse(self, y, phi):
        return bisected(lambda t: self(t, phi)[0], y, -15.0, 15.0)

    def __call__(self, t, phi):
        a, b = phi[..., 0], phi[..., 1]
        weight, mean, scale = torch.split(phi[..., 2:], self.mixtures, -1)
        pi = torch.softmax(weight, -1)
        u = (t[..., None] - mean) * torch.exp(-scale)
        below, above = (pi * torch.sigmoid(u)).sum(-1), (pi * torch.sigmoid(-u)).sum(-1)
        density = (pi * torch.sigmoid(u) * torch.sigmoid(-u) * torch.exp(-scale)).sum(-1)
        return torch.exp(a) * torch.log(below / above) + b, a + torch.log(density) - torch.log(below * above)


def knots(theta, length, start):
    """Beginnings of the bins, and the end."""
    bins = theta.shape[-1]
    widths = length * (SMALLEST + (1 - SMALLEST * bins) * torch.softmax(theta, -1))
    return torch.cat([torch.full_like(widths[..., :1], start), start + torch.cumsum(widths, -1)], -1)


def slopes(theta):
    return SMALLEST + F.softplus(theta + math.log(math.exp(1 - SMALLEST) - 1))


def rational_quadratic(t, x, y, delta):
    """g and log g′ of a t between the first and the last knot."""
    k = (t[..., None] >= x[..., :-1]).sum(-1, keepdim=True).clamp(1, x.shape[-1] - 1) - 1

    def at(values, k):
        return torch.gather(values, -1, k)[..., 0]

    w, h = at(x, k + 1) - at(x, k), at(y, k + 1) - at(y, k)
    xi, s, delta_k, delta_next = (t - at(x, k)) / w, h / w, at(delta, k), at(delta, k + 1)
    e = xi * (1 - xi)
    d = s + (delta_next + delta_k - 2 * s) * e
    log_slope = 2 * torch.log(s) - 2 * torch.log(d)
    log_slope = log_slope + torch.log(delta_next * xi**2 + 2 * s * e + delta_k * (1 - xi) ** 2)
    return at(y, k) + h * (s * xi**2 + delta_k * e) / d, log_slope


def identity_outside(t, inside, spline):
    """The spline inside; outside, where a point of the inside stands in for t, the identity."""
    g, log_slope = spline(torch.where(inside, t, 0.0))
    return torch.where(inside, g, t), torch.where(inside, log_slope, 0.0)


class Spline(OfNumber):
    def __init__(self, bins, interval):
        self.width, self.bins, self.interval = 3 * bins - 1, bins, interval

    def __call__(self, t, phi):
        theta_w, theta_h, theta_d = torch.split(phi, [self.bins, self.bins, self.bins - 1], -1)
        b = self.interval
        delta = F.pad(slopes(theta_d), (1, 1), value=1.0)
        x, y = knots(theta_w, 2 * b, -b), knots(theta_h, 2 * b, -b)
        return identity_outside(t, abs(t) < b, lambda t: rational_quadratic(t, x, y, delta))


class OddSpline(OfNumber):
    def __init__(self, bins, interval):
        self.width, self.bins, self.interval = 3 * bins + 1, bins, interval
        self.odd_output = 3 * bins

    def __call__(self, t, phi):
        theta_w, theta_h, theta_d, shift = torch.split(phi, [self.bins, self.bins, self.bins, 1], -1)
        delta = F.pad(slopes(theta_d), (0, 1), value=1.0)
        x, y = knots(theta_w, self.interval, 0.0), knots(theta_h, self.interval, 0.0)

        def odd(t):
            g, log_slope = rational_quadratic(abs(t), x, y, delta)
            return torch.where(t < 0, -g, g), log_slope

        g, log_slope = identity_outside(t, abs(t) < self.interval, odd)
        return g + shift[..., 0], log_slope


class OfAngle:
    """A transform of an angle; the lift rises by 2π from 0 to 2π."""

    def lift(self, t, phi):
        """g(t) for t in [0, 2π], not wrapped, without the shift, and log g′."""
        raise NotImplementedError

    def __call__(self, t, phi):
        g, log_slope = self.lift(torch.remainder(t, 2 * math.pi), phi)
        return g + phi[..., -1], log_slope

    def inverse(self, y, phi):
        start = self.lift(torch.zeros_like(y), phi)[0]
        y = start + torch.remainder(y - phi[..., -1] - start, 2 * math.pi)
        return bisected(lambda t: self.lift(t, phi)[0], y, 0.0, 2 * math.pi)


class CircularSpline(OfAngle):
    def __init__(self, bins):
        self.width, self.bins = 3 * bins + 1, bins

    def lift(self, t, phi):
        theta_w, theta_h, theta_d, _ = torch.split(phi, [self.bins, self.bins, self.bins, 1], -1)
        delta = slopes(theta_d)
        delta = torch.cat([delta, delta[..., :1]], -1)
        return rational_quadratic(t, knots(theta_w, 2 * math.pi, 0.0), knots(theta_h, 2 * math.pi, 0.0), delta)


class TanMixture(OfAngle):
    def __init__(self, mixtures):
        self.width = mixtures + 1

    def lift(self, t, phi):
        s, p = phi[..., :-1], t[..., None]
        sine, cosine, scale = torch.sin(p / 2), torch.cos(p / 2), torch.exp(s)
        moved = 2 * torch.atan((scale - 1) * sine * cosine / (cosine**2 + scale * sine**2))
        slope = 1 / (cosine**2 / scale + scale * sine**2)
        return t + moved.mean(-1), torch.log(slope.mean(-1))
