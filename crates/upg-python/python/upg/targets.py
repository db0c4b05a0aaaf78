# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``target``."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Literal

from .notation import UNSET, Spec, Unset, text

__all__ = [
    "Phi4",
    "U1",
    "Gmm",
    "Gaussian",
    "RandomGaussians",
    "ManyWell",
    "Funnel",
    "Banana",
    "Library",
    "Python",
    "TargetSpec",
]


class TargetSpec(Spec):
    """One of the classes below."""


class Phi4(TargetSpec):
    """Phi4(lattice, kappa, lambda): S = sum[-2 kappa sum phi phi+ + (1 - 2 lambda) phi^2 + lambda phi^4], periodic"""

    _variant = "Phi4"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        lambda_: float,
        kappa: float | Unset | None = UNSET,
        mass_squared: float | Unset | None = UNSET,
        convention: Literal["NoHalves", "Canonical"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"lattice": lattice, "kappa": kappa, "mass_squared": mass_squared, "lambda": lambda_, "convention": convention})


class U1(TargetSpec):
    """U1(lattice, beta): S = -beta sum cos P, two dimensions"""

    _variant = "U1"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        beta: float,
    ) -> None:
        super().__init__({"lattice": lattice, "beta": beta})


class Gmm(TargetSpec):
    """Gmm(dim): the product over dimensions of N(-1, 1/2)/2 + N(1, 1/2)/2"""

    _variant = "Gmm"

    def __init__(
        self,
        *,
        dim: int,
    ) -> None:
        super().__init__({"dim": dim})


class Gaussian(TargetSpec):
    """Gaussian(mean: [0.0, 1.0], covariance: [[1.0, 0.2], [0.2, 1.0]])"""

    _variant = "Gaussian"

    def __init__(
        self,
        *,
        mean: Sequence[float],
        covariance: Sequence[Sequence[float]],
    ) -> None:
        super().__init__({"mean": mean, "covariance": covariance})


class RandomGaussians(TargetSpec):
    """RandomGaussians(modes = 40, dim = 2, box = 40, scale = 1.3132616875182228, seed = 0): modes of one weight and of deviation scale,
        up to 1000, with means in [-box, box]^dim that seed decides; the problem of arXiv:2208.01893, with means of our own"""

    _variant = "RandomGaussians"

    def __init__(
        self,
        *,
        modes: int | Unset | None = UNSET,
        dim: int | Unset | None = UNSET,
        box: float | Unset | None = UNSET,
        scale: float | Unset | None = UNSET,
        seed: int | Unset | None = UNSET,
    ) -> None:
        super().__init__({"modes": modes, "dim": dim, "box": box, "scale": scale, "seed": seed})


class ManyWell(TargetSpec):
    """ManyWell(dim): dim/2 pairs (x, y), S = sum[x^4 - 6 x^2 - x/2 + y^2/2], 2^(dim/2) modes"""

    _variant = "ManyWell"

    def __init__(
        self,
        *,
        dim: int,
    ) -> None:
        super().__init__({"dim": dim})


class Funnel(TargetSpec):
    """Funnel(dim = 10, sigma = 3): N(0, sigma^2) for x_0, N(0, e^(x_0)) for all others"""

    _variant = "Funnel"

    def __init__(
        self,
        *,
        dim: int | Unset | None = UNSET,
        sigma: float | Unset | None = UNSET,
    ) -> None:
        super().__init__({"dim": dim, "sigma": sigma})


class Banana(TargetSpec):
    """Banana(dim = 2, curvature = 0.1, scale = 10): N(0, scale^2) for x_0, N(curvature (x_0^2 - scale^2), 1) for x_1, N(0, 1) for all others"""

    _variant = "Banana"

    def __init__(
        self,
        *,
        dim: int | Unset | None = UNSET,
        curvature: float | Unset | None = UNSET,
        scale: float | Unset | None = UNSET,
    ) -> None:
        super().__init__({"dim": dim, "curvature": curvature, "scale": scale})


class Library(TargetSpec):
    """Library(path: "libenergy.so", dof, symbol = "upg_target", options = "", domain = Reals, shape = [], calls = OneAtATime, check = On): one of your
        own, by functions of a shared library, relative to this file, see docs/TARGETS.md; symbol: the name they begin with; options: a text for it;
        domain = Reals or Angles; shape: that of a sample, [] for any; calls = OneAtATime or Parallel, from several threads at once; check = On: the
        force is first compared with finite differences of the action, or Off"""

    _variant = "Library"

    def __init__(
        self,
        *,
        path: str | PathLike[str],
        dof: int,
        symbol: str | PathLike[str] | Unset | None = UNSET,
        options: str | PathLike[str] | Unset | None = UNSET,
        domain: Literal["Reals", "Angles"] | Unset | None = UNSET,
        shape: Sequence[int] | Unset | None = UNSET,
        calls: Literal["OneAtATime", "Parallel"] | Unset | None = UNSET,
        check: Literal["On", "Off"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"path": text(path), "dof": dof, "symbol": text(symbol), "options": text(options), "domain": domain, "shape": shape, "calls": calls, "check": check})


class Python(TargetSpec):
    """Python(module: "energy.py", function = "action_and_force", dof, force = Given, domain = Reals, shape = [], check = On): one of your own, a function of
        Python, where the command is that of the Python package, see docs/TARGETS.md; of x, float64 [batch, dof], it returns the action, [batch], and the
        force -dS/dx, [batch, dof]; force = FiniteDifferences: it returns the action alone; the others as above. Without module it is one that a
        program hands in"""

    _variant = "Python"

    def __init__(
        self,
        *,
        dof: int,
        module: str | PathLike[str] | Unset | None = UNSET,
        function: str | PathLike[str] | Unset | None = UNSET,
        force: Literal["Given", "FiniteDifferences"] | Unset | None = UNSET,
        domain: Literal["Reals", "Angles"] | Unset | None = UNSET,
        shape: Sequence[int] | Unset | None = UNSET,
        check: Literal["On", "Off"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"module": text(module), "function": text(function), "dof": dof, "force": force, "domain": domain, "shape": shape, "check": check})
