# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``layers``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from .notation import UNSET, Spec, Unset

if TYPE_CHECKING:
    from .angle_transforms import AngleTransformSpec
    from .fields import FieldSpec
    from .layer_masks import LayerMaskSpec
    from .nets import NetSpec
    from .orders import OrderSpec
    from .transforms import TransformSpec

__all__ = [
    "Coupling",
    "Autoregressive",
    "Scaling",
    "ActNorm",
    "Linear",
    "Householder",
    "Permutation",
    "GaugeCoupling",
    "Continuous",
    "AngleCoupling",
    "PlaquetteFlow",
    "Inverse",
    "LayerSpec",
]


class LayerSpec(Spec):
    """One of the classes below."""


class Coupling(LayerSpec):
    """Coupling(mask, net, transform): mask = Alternating(Even), Alternating(Odd), Checkerboard(Even), Checkerboard(Odd) or
        Custom([0, 3]), the numbers that move; net = Mlp(hidden, activation = Tanh, bias = Yes, init = Random)
        or, where shape is that of a lattice, Cnn(hidden, kernel = 3, activation = Tanh, symmetry = None, init = Random)"""

    _variant = "Coupling"

    def __init__(
        self,
        *,
        mask: LayerMaskSpec | str,
        net: NetSpec | str,
        transform: TransformSpec | str,
    ) -> None:
        super().__init__({"mask": mask, "net": net, "transform": transform})


class Autoregressive(LayerSpec):
    """Autoregressive(order = Identity, net, transform): every number moves, depending on those before it; order as below, by
        default by flat index; net = (hidden, activation = Tanh, bias = Yes, init = Random), masked; transform as below"""

    _variant = "Autoregressive"

    def __init__(
        self,
        *,
        net: Mapping[str, object],
        transform: TransformSpec | str,
        order: OrderSpec | str | Unset | None = UNSET,
    ) -> None:
        super().__init__({"order": order, "net": net, "transform": transform})


class Scaling(LayerSpec):
    """Scaling(scales = One): multiplies by e^s, with one s for all numbers, or with PerDof one for each"""

    _variant = "Scaling"

    def __init__(
        self,
        *,
        scales: Literal["One", "PerDof"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"scales": scales})


class ActNorm(LayerSpec):
    """ActNorm(start = Data): a scale and a shift for each number; start = Data: first chosen so that the samples of the first step come out
        of it with mean 0 and variance 1, data from its inverse where the objective has data, else base samples; or Identity"""

    _variant = "ActNorm"

    def __init__(
        self,
        *,
        start: Literal["Identity", "Data"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"start": start})


class Linear(LayerSpec):
    """Linear(cells = None, order = Identity, negative = [], bias = Yes, init = Random): P L U x + b; cells = [2, 2] mixes the sites of
        cells of this shape, which fill the lattice, by one small matrix; P by order, as below; negative: rows of U with a negative
        diagonal; init = Identity, or Random: elements within 1/sqrt(n) of 0 off the diagonals"""

    _variant = "Linear"

    def __init__(
        self,
        *,
        cells: Sequence[int] | Unset | None = UNSET,
        order: OrderSpec | str | Unset | None = UNSET,
        negative: Sequence[int] | Unset | None = UNSET,
        bias: Literal["Yes", "No"] | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"cells": cells, "order": order, "negative": negative, "bias": bias, "init": init})


class Householder(LayerSpec):
    """Householder(reflections, bias = Yes): a product of reflections, at most as many as there are numbers, drawn at random"""

    _variant = "Householder"

    def __init__(
        self,
        *,
        reflections: int,
        bias: Literal["Yes", "No"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"reflections": reflections, "bias": bias})


class Permutation(LayerSpec):
    """Permutation(order): of numbers or angles; order = Identity, Reversal, Shift(3), Along(direction: 0, by: 1),
        Random(7), by a seed, or Custom([2, 0, 1])"""

    _variant = "Permutation"

    def __init__(
        self,
        *,
        order: OrderSpec | str,
    ) -> None:
        super().__init__({"order": order})


class GaugeCoupling(LayerSpec):
    """GaugeCoupling(direction, offset, net, transform): moves links; direction 0 or 1, offset 0 to 3,
        net = (hidden, kernel = 3, slope = 0.01, init = Random), transform = TanMixture(mixtures) or CircularSpline(bins)"""

    _variant = "GaugeCoupling"

    def __init__(
        self,
        *,
        direction: int,
        offset: int,
        net: Mapping[str, object],
        transform: AngleTransformSpec | str,
    ) -> None:
        super().__init__({"direction": direction, "offset": offset, "net": net, "transform": transform})


class Continuous(LayerSpec):
    """Continuous(lattice, field, steps, base = StandardNormal): the flow of a vector field over a unit of time, by so many steps of a Runge-Kutta
        method of order 4; train it by path gradients, the ordinary one learns to exploit the integrator; field =
          Lattice(frequencies, times, scale): on a lattice, with its symmetries and odd; sines of the field in Fourier space, whose frequencies range
              from 2.3/scale to 13/scale at the start: scale > 0, how large the field is; may be left out: 4, or with a target Phi4 where its
              action per site rises to 1, scale^2 = (-mu + sqrt(mu^2 + 4 lambda))/(2 lambda), mu as below
          Shallow(width, times): one hidden layer, for any numbers; times: how many functions of time there are"""

    _variant = "Continuous"

    def __init__(
        self,
        *,
        field: FieldSpec | str,
        steps: int,
    ) -> None:
        super().__init__({"field": field, "steps": steps})


class AngleCoupling(LayerSpec):
    """AngleCoupling(mask, net, transform): as Coupling, of angles; the net reads cosines and sines, transform as that of links"""

    _variant = "AngleCoupling"

    def __init__(
        self,
        *,
        mask: LayerMaskSpec | str,
        net: NetSpec | str,
        transform: AngleTransformSpec | str,
    ) -> None:
        super().__init__({"mask": mask, "net": net, "transform": transform})


class PlaquetteFlow(LayerSpec):
    """PlaquetteFlow(sines, products, times, steps): the layer of U1Continuous"""

    _variant = "PlaquetteFlow"

    def __init__(
        self,
        *,
        sines: int,
        products: int,
        times: int,
        steps: int,
    ) -> None:
        super().__init__({"sines": sines, "products": products, "times": times, "steps": steps})


class Inverse(LayerSpec):
    """Inverse(layer): the inverse of any of these"""

    _variant = "Inverse"

    def __init__(self, value: LayerSpec | str) -> None:
        super().__init__({}, (value,))
