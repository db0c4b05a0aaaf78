# Written by `cargo xtask python-classes`: change the reader of configurations, and write it again.
"""What may stand in the field ``flow``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from .notation import UNSET, Spec, Unset

if TYPE_CHECKING:
    from .activations import ActivationSpec
    from .angle_transforms import AngleTransformSpec
    from .bases import BaseSpec
    from .fields import FieldSpec
    from .layers import LayerSpec
    from .masks import MaskSpec
    from .transforms import TransformSpec

__all__ = [
    "RealNvp",
    "Z2Nice",
    "ConvNvp",
    "Glow",
    "SplineNvp",
    "TorusSpline",
    "Maf",
    "Iaf",
    "U1",
    "Continuous",
    "U1Continuous",
    "Layers",
    "FlowSpec",
]


class FlowSpec(Spec):
    """One of the classes below."""


class RealNvp(FlowSpec):
    """Good for any numbers, to begin with; both directions cost the same; its transform can be a spline or a mixture.

    RealNvp(…): couplings with fully connected nets, as below
    lattice: [8, 2],           // extents; [d] for d numbers without a lattice; the flat index is in C order
    couplings: 6,              // number of layers, at least 1
    hidden: [64, 64],          // widths of the hidden layers of every net
    activation: Tanh,          // Tanh, Relu, LeakyRelu(slope), Silu, Softplus, Elu, Gelu or Identity
    mask: Checkerboard,        // which numbers a layer moves: Alternating, Checkerboard, Custom([[0, 2], [1, 3]])
    How they move, default Affine(): Affine(clamp = None), Additive, LogisticMixture(mixtures), Spline(bins, interval), the identity outside
    of [-interval, interval], or OddSpline(bins, interval), an odd one and a shift
    transform: Affine(),
    clamp: 2.0,                // soft clamp of the log-scale of Affine(), a number above 0; default None
    init: Random,              // Random (ranges of PyTorch) or Identity (layers start as the identity); default Random
    The density that samples are drawn from, default StandardNormal. All but the first have parameters, which are trained. One of:
      StandardNormal
      DiagonalNormal: a mean and a deviation for each number
      FreeField(m2, kappa): a Gaussian field with a variance for each orbit of Fourier modes, 1/(m2 + 2 kappa p^2) at the start; m2 > 0
      TwoSigns(m2, kappa, v): two of these about the constant fields v and -v, v > 0; for targets with two phases
      m2, kappa and v may be left out with a target Phi4: they are then those of its classical minimum, with mu = 1 - 2 lambda - 2 d kappa:
      m2 = 2 mu for mu > 0, -4 mu for mu < 0; kappa its hopping parameter; v = sqrt(-mu/(2 lambda)), for mu < 0 only
    base: StandardNormal,"""

    _variant = "RealNvp"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        couplings: int,
        hidden: Sequence[int],
        activation: ActivationSpec | str | Unset | None = UNSET,
        mask: MaskSpec | str | Unset | None = UNSET,
        transform: TransformSpec | str | Unset | None = UNSET,
        clamp: float | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
        base: BaseSpec | str | Unset | None = UNSET,
    ) -> None:
        super().__init__({"lattice": lattice, "couplings": couplings, "hidden": hidden, "activation": activation, "mask": mask, "transform": transform, "clamp": clamp, "init": init, "base": base})


class Z2Nice(FlowSpec):
    """Good for targets with S(x) = S(-x), a symmetry that q then has to the bit; it only shifts, so it takes more couplings or wider nets.

    Z2Nice(lattice, couplings, hidden, activation = Tanh, mask = Alternating, init = Random, base = StandardNormal):
        additive couplings with odd nets and a global scaling, q(x) = q(-x); for targets with that symmetry; an even base
    activation: Tanh,          // Tanh, Relu, LeakyRelu(slope), Silu, Softplus, Elu, Gelu or Identity
    mask: Checkerboard,        // which numbers a layer moves: Alternating, Checkerboard, Custom([[0, 2], [1, 3]])
    init: Random,              // Random (ranges of PyTorch) or Identity (layers start as the identity); default Random
    The density that samples are drawn from, default StandardNormal. All but the first have parameters, which are trained. One of:
      StandardNormal
      DiagonalNormal: a mean and a deviation for each number
      FreeField(m2, kappa): a Gaussian field with a variance for each orbit of Fourier modes, 1/(m2 + 2 kappa p^2) at the start; m2 > 0
      TwoSigns(m2, kappa, v): two of these about the constant fields v and -v, v > 0; for targets with two phases
      m2, kappa and v may be left out with a target Phi4: they are then those of its classical minimum, with mu = 1 - 2 lambda - 2 d kappa:
      m2 = 2 mu for mu > 0, -4 mu for mu < 0; kappa its hopping parameter; v = sqrt(-mu/(2 lambda)), for mu < 0 only
    base: StandardNormal,"""

    _variant = "Z2Nice"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        couplings: int,
        hidden: Sequence[int],
        activation: ActivationSpec | str | Unset | None = UNSET,
        mask: MaskSpec | str | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
        base: BaseSpec | str | Unset | None = UNSET,
    ) -> None:
        super().__init__({"lattice": lattice, "couplings": couplings, "hidden": hidden, "activation": activation, "mask": mask, "init": init, "base": base})


class ConvNvp(FlowSpec):
    """Good for lattice fields whose nets shall see neighbours alone and be the same everywhere; few weights; with symmetry: Z2 odd to the bit.

    ConvNvp(lattice, couplings, hidden, kernel = 3, activation = Tanh, transform = Affine(), symmetry = None, init = Random,
        base = StandardNormal):
        couplings in a checkerboard with convolutional nets, for translation-invariant targets; one to four even extents, each at
        least the kernel, which is odd; symmetry = Z2: q(x) = q(-x), activation Tanh or Identity, transform Affine(…), Additive or
        OddSpline(…), an even base
    activation: Tanh,          // Tanh, Relu, LeakyRelu(slope), Silu, Softplus, Elu, Gelu or Identity
    How they move, default Affine(): Affine(clamp = None), Additive, LogisticMixture(mixtures), Spline(bins, interval), the identity outside
    of [-interval, interval], or OddSpline(bins, interval), an odd one and a shift
    transform: Affine(),
    init: Random,              // Random (ranges of PyTorch) or Identity (layers start as the identity); default Random
    The density that samples are drawn from, default StandardNormal. All but the first have parameters, which are trained. One of:
      StandardNormal
      DiagonalNormal: a mean and a deviation for each number
      FreeField(m2, kappa): a Gaussian field with a variance for each orbit of Fourier modes, 1/(m2 + 2 kappa p^2) at the start; m2 > 0
      TwoSigns(m2, kappa, v): two of these about the constant fields v and -v, v > 0; for targets with two phases
      m2, kappa and v may be left out with a target Phi4: they are then those of its classical minimum, with mu = 1 - 2 lambda - 2 d kappa:
      m2 = 2 mu for mu > 0, -4 mu for mu < 0; kappa its hopping parameter; v = sqrt(-mu/(2 lambda)), for mu < 0 only
    base: StandardNormal,"""

    _variant = "ConvNvp"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        couplings: int,
        hidden: Sequence[int],
        kernel: int | Unset | None = UNSET,
        activation: ActivationSpec | str | Unset | None = UNSET,
        transform: TransformSpec | str | Unset | None = UNSET,
        symmetry: Literal["None", "Z2"] | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
        base: BaseSpec | str | Unset | None = UNSET,
    ) -> None:
        super().__init__({"lattice": lattice, "couplings": couplings, "hidden": hidden, "kernel": kernel, "activation": activation, "transform": transform, "symmetry": symmetry, "init": init, "base": base})


class Glow(FlowSpec):
    """Good for numbers that no mask suits: a trained linear layer mixes them in every step; cells: [2, 2] keeps it small on a lattice.

    Glow(lattice, steps, hidden, activation = Tanh, mask = Alternating, transform = Affine(), cells = None, norm = Data, init = Random,
        base = StandardNormal):
        steps of three layers: ActNorm(start: norm), Linear(cells, init), and a coupling as those of RealNvp
    activation: Tanh,          // Tanh, Relu, LeakyRelu(slope), Silu, Softplus, Elu, Gelu or Identity
    mask: Checkerboard,        // which numbers a layer moves: Alternating, Checkerboard, Custom([[0, 2], [1, 3]])
    How they move, default Affine(): Affine(clamp = None), Additive, LogisticMixture(mixtures), Spline(bins, interval), the identity outside
    of [-interval, interval], or OddSpline(bins, interval), an odd one and a shift
    transform: Affine(),
    init: Random,              // Random (ranges of PyTorch) or Identity (layers start as the identity); default Random
    The density that samples are drawn from, default StandardNormal. All but the first have parameters, which are trained. One of:
      StandardNormal
      DiagonalNormal: a mean and a deviation for each number
      FreeField(m2, kappa): a Gaussian field with a variance for each orbit of Fourier modes, 1/(m2 + 2 kappa p^2) at the start; m2 > 0
      TwoSigns(m2, kappa, v): two of these about the constant fields v and -v, v > 0; for targets with two phases
      m2, kappa and v may be left out with a target Phi4: they are then those of its classical minimum, with mu = 1 - 2 lambda - 2 d kappa:
      m2 = 2 mu for mu > 0, -4 mu for mu < 0; kappa its hopping parameter; v = sqrt(-mu/(2 lambda)), for mu < 0 only
    base: StandardNormal,"""

    _variant = "Glow"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        steps: int,
        hidden: Sequence[int],
        activation: ActivationSpec | str | Unset | None = UNSET,
        mask: MaskSpec | str | Unset | None = UNSET,
        transform: TransformSpec | str | Unset | None = UNSET,
        cells: Sequence[int] | Unset | None = UNSET,
        norm: Literal["Identity", "Data"] | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
        base: BaseSpec | str | Unset | None = UNSET,
    ) -> None:
        super().__init__({"lattice": lattice, "steps": steps, "hidden": hidden, "activation": activation, "mask": mask, "transform": transform, "cells": cells, "norm": norm, "init": init, "base": base})


class SplineNvp(FlowSpec):
    """Good for numbers far from normal within a known interval, as with several modes; few couplings, but the last layers of their nets are wide.

    SplineNvp(lattice, couplings, hidden, bins, interval, activation = Tanh, mask = Alternating, init = Random,
        base = StandardNormal): couplings with rational-quadratic splines of 2 to 999 bins on [-interval, interval], the identity outside
    activation: Tanh,          // Tanh, Relu, LeakyRelu(slope), Silu, Softplus, Elu, Gelu or Identity
    mask: Checkerboard,        // which numbers a layer moves: Alternating, Checkerboard, Custom([[0, 2], [1, 3]])
    init: Random,              // Random (ranges of PyTorch) or Identity (layers start as the identity); default Random
    The density that samples are drawn from, default StandardNormal. All but the first have parameters, which are trained. One of:
      StandardNormal
      DiagonalNormal: a mean and a deviation for each number
      FreeField(m2, kappa): a Gaussian field with a variance for each orbit of Fourier modes, 1/(m2 + 2 kappa p^2) at the start; m2 > 0
      TwoSigns(m2, kappa, v): two of these about the constant fields v and -v, v > 0; for targets with two phases
      m2, kappa and v may be left out with a target Phi4: they are then those of its classical minimum, with mu = 1 - 2 lambda - 2 d kappa:
      m2 = 2 mu for mu > 0, -4 mu for mu < 0; kappa its hopping parameter; v = sqrt(-mu/(2 lambda)), for mu < 0 only
    base: StandardNormal,"""

    _variant = "SplineNvp"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        couplings: int,
        hidden: Sequence[int],
        bins: int,
        interval: float,
        activation: ActivationSpec | str | Unset | None = UNSET,
        mask: MaskSpec | str | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
        base: BaseSpec | str | Unset | None = UNSET,
    ) -> None:
        super().__init__({"lattice": lattice, "couplings": couplings, "hidden": hidden, "bins": bins, "interval": interval, "activation": activation, "mask": mask, "init": init, "base": base})


class TorusSpline(FlowSpec):
    """Good for angles without a gauge symmetry, one for each index of `lattice`; for links, as in this example, U1 and U1Continuous are better.

    TorusSpline(lattice, couplings, hidden, bins, activation = Tanh, mask = Alternating, init = Random):
        couplings of angles with splines of the circle; nets read cosines and sines
    activation: Tanh,          // Tanh, Relu, LeakyRelu(slope), Silu, Softplus, Elu, Gelu or Identity
    mask: Checkerboard,        // which numbers a layer moves: Alternating, Checkerboard, Custom([[0, 2], [1, 3]])
    init: Random,              // Random (ranges of PyTorch) or Identity (layers start as the identity); default Random"""

    _variant = "TorusSpline"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        couplings: int,
        hidden: Sequence[int],
        bins: int,
        activation: ActivationSpec | str | Unset | None = UNSET,
        mask: MaskSpec | str | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"lattice": lattice, "couplings": couplings, "hidden": hidden, "bins": bins, "activation": activation, "mask": mask, "init": init})


class Maf(FlowSpec):
    """Good for learning from data, forward KL: densities in one pass, every number depends on all before it; samples come number by number.

    Maf(lattice, layers, hidden, activation = Tanh, transform = Affine(), init = Random, base = StandardNormal):
        masked autoregressive flow, every number moved depending on those before it, in natural and reversed order by turns; densities of
        given samples in one pass, samples by substitution, at the same cost
    activation: Tanh,          // Tanh, Relu, LeakyRelu(slope), Silu, Softplus, Elu, Gelu or Identity
    How they move, default Affine(): Affine(clamp = None), Additive, LogisticMixture(mixtures), Spline(bins, interval), the identity outside
    of [-interval, interval], or OddSpline(bins, interval), an odd one and a shift
    transform: Affine(),
    init: Random,              // Random (ranges of PyTorch) or Identity (layers start as the identity); default Random
    The density that samples are drawn from, default StandardNormal. All but the first have parameters, which are trained. One of:
      StandardNormal
      DiagonalNormal: a mean and a deviation for each number
      FreeField(m2, kappa): a Gaussian field with a variance for each orbit of Fourier modes, 1/(m2 + 2 kappa p^2) at the start; m2 > 0
      TwoSigns(m2, kappa, v): two of these about the constant fields v and -v, v > 0; for targets with two phases
      m2, kappa and v may be left out with a target Phi4: they are then those of its classical minimum, with mu = 1 - 2 lambda - 2 d kappa:
      m2 = 2 mu for mu > 0, -4 mu for mu < 0; kappa its hopping parameter; v = sqrt(-mu/(2 lambda)), for mu < 0 only
    base: StandardNormal,"""

    _variant = "Maf"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        layers: int,
        hidden: Sequence[int],
        activation: ActivationSpec | str | Unset | None = UNSET,
        transform: TransformSpec | str | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
        base: BaseSpec | str | Unset | None = UNSET,
    ) -> None:
        super().__init__({"lattice": lattice, "layers": layers, "hidden": hidden, "activation": activation, "transform": transform, "init": init, "base": base})


class Iaf(FlowSpec):
    """Good for learning from its own samples, reverse KL: samples in one pass; densities of given points come number by number.

    Iaf(lattice, layers, hidden, activation = Tanh, transform = Affine(), init = Random, base = StandardNormal):
        inverse autoregressive flow, samples in one pass, densities by substitution
    activation: Tanh,          // Tanh, Relu, LeakyRelu(slope), Silu, Softplus, Elu, Gelu or Identity
    How they move, default Affine(): Affine(clamp = None), Additive, LogisticMixture(mixtures), Spline(bins, interval), the identity outside
    of [-interval, interval], or OddSpline(bins, interval), an odd one and a shift
    transform: Affine(),
    init: Random,              // Random (ranges of PyTorch) or Identity (layers start as the identity); default Random
    The density that samples are drawn from, default StandardNormal. All but the first have parameters, which are trained. One of:
      StandardNormal
      DiagonalNormal: a mean and a deviation for each number
      FreeField(m2, kappa): a Gaussian field with a variance for each orbit of Fourier modes, 1/(m2 + 2 kappa p^2) at the start; m2 > 0
      TwoSigns(m2, kappa, v): two of these about the constant fields v and -v, v > 0; for targets with two phases
      m2, kappa and v may be left out with a target Phi4: they are then those of its classical minimum, with mu = 1 - 2 lambda - 2 d kappa:
      m2 = 2 mu for mu > 0, -4 mu for mu < 0; kappa its hopping parameter; v = sqrt(-mu/(2 lambda)), for mu < 0 only
    base: StandardNormal,"""

    _variant = "Iaf"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        layers: int,
        hidden: Sequence[int],
        activation: ActivationSpec | str | Unset | None = UNSET,
        transform: TransformSpec | str | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
        base: BaseSpec | str | Unset | None = UNSET,
    ) -> None:
        super().__init__({"lattice": lattice, "layers": layers, "hidden": hidden, "activation": activation, "transform": transform, "init": init, "base": base})


class U1(FlowSpec):
    """Good for U(1) gauge theory: gauge invariant; its weights fit any lattice.

    U1(lattice, layers, mixtures, hidden, kernel = 3, slope = 0.01, init = Random):
        gauge-equivariant couplings of angles on links; two extents that are multiples of 4, kernel odd and up to 63;
        in the place of mixtures may stand a transform: CircularSpline(bins)
    init: Random,              // Random (ranges of PyTorch) or Identity (layers start as the identity); default Random"""

    _variant = "U1"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        layers: int,
        hidden: Sequence[int],
        mixtures: int | Unset | None = UNSET,
        transform: AngleTransformSpec | str | Unset | None = UNSET,
        kernel: int | Unset | None = UNSET,
        slope: float | Unset | None = UNSET,
        init: Literal["Random", "Identity"] | Unset | None = UNSET,
    ) -> None:
        super().__init__({"lattice": lattice, "layers": layers, "mixtures": mixtures, "transform": transform, "hidden": hidden, "kernel": kernel, "slope": slope, "init": init})


class Continuous(FlowSpec):
    """Good for lattice fields: all their symmetries, few parameters; trained by path gradients; with a field Shallow(width, times) other numbers, too.

    Continuous(lattice, field, steps, base = StandardNormal): the flow of a vector field over a unit of time, by so many steps of a Runge-Kutta
        method of order 4; train it by path gradients, the ordinary one learns to exploit the integrator; field =
          Lattice(frequencies, times, scale): on a lattice, with its symmetries and odd; sines of the field in Fourier space, whose frequencies range
              from 2.3/scale to 13/scale at the start: scale > 0, how large the field is; may be left out: 4, or with a target Phi4 where its
              action per site rises to 1, scale^2 = (-mu + sqrt(mu^2 + 4 lambda))/(2 lambda), mu as below
          Shallow(width, times): one hidden layer, for any numbers; times: how many functions of time there are
    The density that samples are drawn from, default StandardNormal. All but the first have parameters, which are trained. One of:
      StandardNormal
      DiagonalNormal: a mean and a deviation for each number
      FreeField(m2, kappa): a Gaussian field with a variance for each orbit of Fourier modes, 1/(m2 + 2 kappa p^2) at the start; m2 > 0
      TwoSigns(m2, kappa, v): two of these about the constant fields v and -v, v > 0; for targets with two phases
      m2, kappa and v may be left out with a target Phi4: they are then those of its classical minimum, with mu = 1 - 2 lambda - 2 d kappa:
      m2 = 2 mu for mu > 0, -4 mu for mu < 0; kappa its hopping parameter; v = sqrt(-mu/(2 lambda)), for mu < 0 only
    base: StandardNormal,"""

    _variant = "Continuous"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        field: FieldSpec | str,
        steps: int,
        base: BaseSpec | str | Unset | None = UNSET,
    ) -> None:
        super().__init__({"lattice": lattice, "field": field, "steps": steps, "base": base})


class U1Continuous(FlowSpec):
    """Good for U(1) gauge theory: gauge invariant, few parameters, soon trained; by path gradients.

    U1Continuous(lattice, sines, products, times, steps): links carried along a vector field of their plaquettes, in so many Runge-Kutta
        steps; two extents of at least 2; train it by path gradients: Reparam learns to exploit the error of the integrator"""

    _variant = "U1Continuous"

    def __init__(
        self,
        *,
        lattice: Sequence[int],
        sines: int,
        products: int,
        times: int,
        steps: int,
    ) -> None:
        super().__init__({"lattice": lattice, "sines": sines, "products": products, "times": times, "steps": steps})


class Layers(FlowSpec):
    """Good for whatever no recipe is made for: any layers in any order, and inverses of them.

    Layers(shape, base, layers): any list of layers, in the order in which they act on a sample of the base; shape is that of a
        sample, [2, L0, L1] for the links of a lattice; base as below for numbers, UniformTorus for angles. A layer is one of:
          Coupling(mask, net, transform): mask = Alternating(Even), Alternating(Odd), Checkerboard(Even), Checkerboard(Odd) or
              Custom([0, 3]), the numbers that move; net = Mlp(hidden, activation = Tanh, bias = Yes, init = Random)
              or, where shape is that of a lattice, Cnn(hidden, kernel = 3, activation = Tanh, symmetry = None, init = Random)
          Autoregressive(order = Identity, net, transform): every number moves, depending on those before it; order as below, by
              default by flat index; net = (hidden, activation = Tanh, bias = Yes, init = Random), masked; transform as below
          Scaling(scales = One): multiplies by e^s, with one s for all numbers, or with PerDof one for each
          ActNorm(start = Data): a scale and a shift for each number; start = Data: first chosen so that the samples of the first step come out
              of it with mean 0 and variance 1, data from its inverse where the objective has data, else base samples; or Identity
          Linear(cells = None, order = Identity, negative = [], bias = Yes, init = Random): P L U x + b; cells = [2, 2] mixes the sites of
              cells of this shape, which fill the lattice, by one small matrix; P by order, as below; negative: rows of U with a negative
              diagonal; init = Identity, or Random: elements within 1/sqrt(n) of 0 off the diagonals
          Householder(reflections, bias = Yes): a product of reflections, at most as many as there are numbers, drawn at random
          Permutation(order): of numbers or angles; order = Identity, Reversal, Shift(3), Along(direction: 0, by: 1),
              Random(7), by a seed, or Custom([2, 0, 1])
          GaugeCoupling(direction, offset, net, transform): moves links; direction 0 or 1, offset 0 to 3,
              net = (hidden, kernel = 3, slope = 0.01, init = Random), transform = TanMixture(mixtures) or CircularSpline(bins)
          AngleCoupling(mask, net, transform): as Coupling, of angles; the net reads cosines and sines, transform as that of links
          Continuous(field, steps): as the recipe
          PlaquetteFlow(sines, products, times, steps): the layer of U1Continuous
          Inverse(layer): the inverse of any of these
    activation: Tanh,          // Tanh, Relu, LeakyRelu(slope), Silu, Softplus, Elu, Gelu or Identity
    How they move, default Affine(): Affine(clamp = None), Additive, LogisticMixture(mixtures), Spline(bins, interval), the identity outside
    of [-interval, interval], or OddSpline(bins, interval), an odd one and a shift
    transform: Affine(),
    init: Random,              // Random (ranges of PyTorch) or Identity (layers start as the identity); default Random
    The density that samples are drawn from, default StandardNormal. All but the first have parameters, which are trained. One of:
      StandardNormal
      DiagonalNormal: a mean and a deviation for each number
      FreeField(m2, kappa): a Gaussian field with a variance for each orbit of Fourier modes, 1/(m2 + 2 kappa p^2) at the start; m2 > 0
      TwoSigns(m2, kappa, v): two of these about the constant fields v and -v, v > 0; for targets with two phases
      m2, kappa and v may be left out with a target Phi4: they are then those of its classical minimum, with mu = 1 - 2 lambda - 2 d kappa:
      m2 = 2 mu for mu > 0, -4 mu for mu < 0; kappa its hopping parameter; v = sqrt(-mu/(2 lambda)), for mu < 0 only
    base: StandardNormal,"""

    _variant = "Layers"

    def __init__(
        self,
        *,
        shape: Sequence[int],
        base: BaseSpec | str,
        layers: Sequence[LayerSpec | str],
    ) -> None:
        super().__init__({"shape": shape, "base": base, "layers": layers})
