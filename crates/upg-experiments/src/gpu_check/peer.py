"""Times of the gradients of Table 2 in PyTorch, on the first CUDA device or else on the processor: what upg is compared with.

The flows are those of `reproduce-table2`, written the way research code is: modules, autograd for all derivatives, f32 without TF32. `reparam` is the
ordinary gradient of the reverse KL; `path` its path gradient by the recursion of the score, layer by layer, each layer differentiated by autograd.
Prints a line for each: name, tab, milliseconds (median). Arguments: batch sizes, else 64 1024 8192; a lattice of the U(1) theory smaller than
16 with --small.
"""

import math
import statistics
import sys
import time

import torch
from torch import nn

torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TAU = 2 * math.pi


def mlp(inputs, hidden, outputs, bias):
    widths = [inputs, *hidden, outputs]
    layers = []
    for a, b in zip(widths, widths[1:]):
        layers += [nn.Linear(a, b, bias=bias), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


class Coupling(nn.Module):
    """y_t = t e^s + m with (m, s) = net(c), or y_t = t + net(c), on every second degree of freedom."""

    def __init__(self, dof, parity, hidden, affine):
        super().__init__()
        self.moved, self.kept = slice(parity, None, 2), slice(1 - parity, None, 2)
        self.affine = affine
        self.net = mlp(dof // 2, hidden, dof if affine else dof // 2, bias=affine)

    def forward(self, x):
        t, c = x[:, self.moved], x[:, self.kept]
        m, s = self.net(c).chunk(2, 1) if self.affine else (self.net(c), torch.zeros_like(t))
        y = torch.empty_like(x)
        y[:, self.moved], y[:, self.kept] = t * s.exp() + m, c
        return y, s.sum(1), s.exp()


class Scaling(nn.Module):
    """y = x e^sigma."""

    moved = slice(None)

    def __init__(self):
        super().__init__()
        self.sigma = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        return x * self.sigma.exp(), self.sigma.expand(len(x)) * x.shape[1], self.sigma.exp().expand_as(x)


class Gauge(nn.Module):
    """A U(1) gauge coupling: the links of one direction on every fourth stripe move so that their plaquettes go through a mixture of tangents."""

    def __init__(self, lattice, direction, offset, mixtures, channels):
        super().__init__()
        self.lattice, self.direction = lattice, direction
        across = torch.arange(lattice).reshape((1, -1) if direction == 0 else (-1, 1)).expand(lattice, lattice)
        stripe = (across - offset) % 4
        self.register_buffer("active", stripe == 0)
        self.register_buffer("frozen", (stripe == 1) | (stripe == 2))
        self.moved = torch.zeros(2, lattice, lattice, dtype=torch.bool)
        self.moved[direction] = self.active
        self.moved = self.moved.flatten().nonzero()[:, 0].to(DEVICE)
        widths = [2, *channels, mixtures + 1]
        layers = []
        for a, b in zip(widths, widths[1:]):
            layers += [nn.Conv2d(a, b, 3, padding=1, padding_mode="circular"), nn.LeakyReLU()]
        self.net = nn.Sequential(*layers[:-1])

    def forward(self, x):
        links = x.reshape(-1, 2, self.lattice, self.lattice)
        p = links[:, 0] + links[:, 1].roll(-1, 1) - links[:, 0].roll(-1, 2) - links[:, 1]
        seen = torch.stack([torch.where(self.frozen, p.cos(), 0), torch.where(self.frozen, p.sin(), 0)], 1)
        out = self.net(seen)
        s, shift = out[:, :-1, self.active], out[:, -1, self.active]
        t = torch.remainder(p[:, self.active], TAU)
        half = t[:, None] / 2
        images = torch.remainder(2 * torch.atan2(s.exp() * half.sin(), half.cos()), TAU)
        slopes = 1 / (s.neg().exp() * half.cos() ** 2 + s.exp() * half.sin() ** 2)
        moved = images.mean(1) + shift
        slope = slopes.mean(1)
        sign = 1 if self.direction == 0 else -1
        change = torch.zeros_like(links)
        change[:, self.direction, self.active] = sign * (moved - p[:, self.active])
        return torch.remainder(x + change.flatten(1), TAU), slope.log().sum(1), slope


def phi4(x):
    phi = x.reshape(-1, 16, 8)
    neighbours = phi.roll(1, 1) + phi.roll(1, 2)
    kappa, coupling = 0.3, 0.022
    return ((1 - 2 * coupling) * phi**2 + coupling * phi**4 - 2 * kappa * phi * neighbours).sum((1, 2))


def plaquette_action(lattice):
    def action(x):
        links = x.reshape(-1, 2, lattice, lattice)
        p = links[:, 0] + links[:, 1].roll(-1, 1) - links[:, 0].roll(-1, 2) - links[:, 1]
        return -3.0 * p.cos().sum((1, 2))

    return action


def reparam(layers, action, z):
    x, log_det = z, 0
    for layer in layers:
        x, more, _ = layer(x)
        log_det = log_det + more
    (action(x) - log_det).mean().backward()


def path(layers, action, z, score):
    """The score s of q along the map: u_t = (s_t - dl/dt)/g', and what depends on c is taken away from s_c; then the pull-back of s - dS through the
    graph of the same pass."""
    x = z.requires_grad_()
    for layer in layers:
        y, log_det, slope = layer(x)
        own = torch.autograd.grad(log_det.sum(), x, retain_graph=True, allow_unused=True)[0] if log_det.requires_grad else None
        s = score if own is None else score - own
        moved = s[:, layer.moved] / slope.detach()
        u = torch.zeros_like(s)
        u[:, layer.moved] = moved
        through = torch.autograd.grad(y, x, u, retain_graph=True)[0]
        score = s - through
        score[:, layer.moved] = moved
        x = y
    end = x.detach().requires_grad_()
    force = torch.autograd.grad(action(end).sum(), end)[0]
    x.backward((score + force) / len(z))


def median(work, budget=1.6):
    times, begin = [], time.perf_counter()
    for turn in range(30):
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        if DEVICE == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        if turn >= 2 and time.perf_counter() - begin > budget:
            break
    return 1e3 * statistics.median(times[1:])


def main():
    small = "--small" in sys.argv
    batches = [int(a) for a in sys.argv[1:] if a.isdigit()] or [64, 1024, 8192]
    lattice = 8 if small else 16
    hidden = [50] * 2 if small else [1000] * 4
    scalars = lambda affine: [Coupling(128, i % 2, hidden, affine) for i in range(8)] + [Scaling()] * (not affine)
    gauge = [Gauge(lattice, i // 4 % 2, i % 4, 6, [8, 8]) for i in range(24)]
    flows = [
        ("realnvp", scalars(True), phi4, lambda n: torch.randn(n, 128, device=DEVICE), lambda z: -z),
        ("u1", gauge, plaquette_action(lattice), lambda n: TAU * torch.rand(n, 2 * lattice**2, device=DEVICE), torch.zeros_like),
        ("z2nice", scalars(False), phi4, lambda n: torch.randn(n, 128, device=DEVICE), lambda z: -z),
    ]
    print(f"PyTorch {torch.__version__} on {torch.cuda.get_device_name() if DEVICE == 'cuda' else 'the processor'}")
    for name, layers, action, draw, score in flows:
        model = nn.ModuleList(layers).to(DEVICE)
        for batch in batches:
            for method, work in (("reparam", lambda z: reparam(layers, action, z)), ("path", lambda z: path(layers, action, z, score(z)))):

                def once():
                    model.zero_grad(set_to_none=True)
                    work(draw(batch))

                try:
                    print(f"PyTorch, {name}, {method}, batch {batch}\t{median(once):.4f}", flush=True)
                except torch.cuda.OutOfMemoryError:
                    print(f"{name}, {method}, batch {batch}: out of memory", flush=True)
                    torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
