"""The cases: a configuration of upg, and the same flow and target here."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

import bases
import targets
from autoregressive import Autoregressive
from continuous import Continuous, LatticeField, ShallowField
from couplings import AngleCoupling, CnnCoupling, MlpCoupling, alternating, checkerboard
from gauge import GaugeCoupling
from layer import Flow, Inverse
from linear import ActNorm, Householder, Linear, Permutation, Scaling, along, random_order
from nets import gelu
from plaquette_flow import PlaquetteField, PlaquetteFlow
from transforms import Additive, Affine, CircularSpline, LogisticMixture, OddSpline, Spline, TanMixture


@dataclass
class Case:
    flow: str
    target: str
    built: Flow
    action: Callable
    dof: int
    angles: bool = False

    def config(self):
        return f"(\n    flow: {self.flow},\n    target: {self.target},\n)\n"


def continuous_two_signs():
    return Case(
        """Continuous(lattice: [3, 3], field: Lattice(frequencies: 3, times: 3), steps: 3,
        base: TwoSigns(m2: 0.5, kappa: 0.3, v: 1.0))""",
        "Phi4(lattice: [3, 3], kappa: 0.3, lambda: 0.1)",
        Flow(bases.TwoSigns([3, 3]), [Continuous(LatticeField([3, 3], 3, 3), 3)]),
        targets.Phi4([3, 3], 0.3, 0.1),
        9,
    )


def continuous_free_field():
    return Case(
        "Continuous(lattice: [4, 2], field: Lattice(frequencies: 2, times: 2), steps: 2, base: FreeField(m2: 0.5, kappa: 0.3))",
        "Phi4(lattice: [4, 2], kappa: 0.2, lambda: 0.3)",
        Flow(bases.FreeField([4, 2]), [Continuous(LatticeField([4, 2], 2, 2), 2)]),
        targets.Phi4([4, 2], 0.2, 0.3),
        8,
    )


def continuous_shallow():
    return Case(
        "Continuous(lattice: [4], field: Shallow(width: 7, times: 3), steps: 3)",
        "ManyWell(dim: 4)",
        Flow(bases.StandardNormal(), [Continuous(ShallowField(4, 7, 3), 3)]),
        targets.many_well,
        4,
    )


CASES = {
    "continuous_two_signs": continuous_two_signs,
    "continuous_free_field": continuous_free_field,
    "continuous_shallow": continuous_shallow,
}


def u1_continuous(lattice, sines, products, times, steps):
    def case():
        return Case(
            f"U1Continuous(lattice: {lattice}, sines: {sines}, products: {products}, times: {times}, steps: {steps})",
            f"U1(lattice: {lattice}, beta: 1.3)",
            Flow(bases.UniformTorus(), [PlaquetteFlow(PlaquetteField(lattice, sines, products, times), steps)]),
            targets.U1(lattice, 1.3),
            2 * lattice[0] * lattice[1],
            angles=True,
        )

    return case


CASES |= {
    "u1_continuous_3x3": u1_continuous([3, 3], 3, 2, 2, 3),
    "u1_continuous_2x4": u1_continuous([2, 4], 2, 3, 3, 2),
}


def spline_nvp():
    return Case(
        "SplineNvp(lattice: [5], couplings: 3, hidden: [6, 5], bins: 4, interval: 2.5, activation: Silu)",
        "Gmm(dim: 5)",
        Flow(
            bases.StandardNormal(),
            [MlpCoupling(5, alternating(5, i % 2), [6, 5], Spline(4, 2.5), act=torch.nn.functional.silu) for i in range(3)],
        ),
        targets.gmm,
        5,
    )


CASES["spline_nvp"] = spline_nvp


def autoregressive(recipe, transform, built, target, action, options="", base=None, **net):
    def case():
        layers = [Autoregressive(list(range(5))[:: 1 if i % 2 == 0 else -1], [6, 7], built, **net) for i in range(3)]
        layers = [Inverse(layer) if recipe == "Maf" else layer for layer in layers]
        return Case(
            f"{recipe}(lattice: [5], layers: 3, hidden: [6, 7], transform: {transform}{options})",
            target,
            Flow(base or bases.StandardNormal(), layers),
            action,
            5,
        )

    return case


CASES |= {
    "maf_affine": autoregressive(
        "Maf", "Affine(clamp: 1.5)", Affine(1.5), "Funnel(dim: 5, sigma: 1.5)", targets.Funnel(1.5),
        ", activation: Softplus", act=torch.nn.functional.softplus,
    ),
    "maf_spline": autoregressive(
        "Maf", "Spline(bins: 3, interval: 3.0)", Spline(3, 3.0), "Gmm(dim: 5)", targets.gmm,
        ", base: DiagonalNormal", bases.DiagonalNormal(5),
    ),
    "iaf_affine": autoregressive(
        "Iaf", "Affine()", Affine(), "Banana(dim: 5, curvature: 0.2, scale: 1.5)", targets.Banana(0.2, 1.5),
        ", base: DiagonalNormal", bases.DiagonalNormal(5),
    ),
    "iaf_spline": autoregressive(
        "Iaf", "Spline(bins: 3, interval: 3.0)", Spline(3, 3.0),
        "RandomGaussians(modes: 3, dim: 5, box: 2.0, scale: 0.8, seed: 5)", targets.RandomGaussians(3, 5, 2.0, 0.8, 5),
    ),
}  # fmt: skip


def glow():
    lattice, layers = [4, 2], []
    for s in range(2):
        coupling = MlpCoupling(8, checkerboard(lattice, s % 2), [6], Affine(0.7), act=torch.nn.functional.elu)
        layers += [ActNorm(8), Linear(lattice, cells=[2, 2]), coupling]
    return Case(
        """Glow(lattice: [4, 2], steps: 2, hidden: [6], activation: Elu, mask: Checkerboard, transform: Affine(clamp: 0.7),
        cells: [2, 2], norm: Identity)""",
        "Phi4(lattice: [4, 2], kappa: 0.3, lambda: 0.2)",
        Flow(bases.StandardNormal(), layers),
        targets.Phi4(lattice, 0.3, 0.2),
        8,
    )


def linear_layers():
    lattice, dof = [3, 2], 6
    return Case(
        """Layers(shape: [3, 2], base: StandardNormal, layers: [
        Linear(order: Random(7), negative: [1, 4]),
        Coupling(mask: Custom([0, 3, 4]), net: Mlp(hidden: [5], bias: No), transform: Additive),
        Householder(reflections: 3),
        Inverse(Coupling(
            mask: Alternating(Odd),
            net: Mlp(hidden: [4], activation: LeakyRelu(0.2)),
            transform: LogisticMixture(mixtures: 2),
        )),
        Permutation(order: Along(direction: 0, by: 1)),
        Inverse(Linear(order: Shift(2), bias: No)),
        Autoregressive(order: Custom([2, 0, 5, 1, 3, 4]), net: (hidden: [5]), transform: OddSpline(bins: 2, interval: 2.0)),
        Permutation(order: Random(123)),
        Scaling(scales: PerDof),
    ])""",
        "Gmm(dim: 6)",
        Flow(
            bases.StandardNormal(),
            [
                Linear(lattice, order=random_order(dof, 7), negative=[1, 4]),
                MlpCoupling(dof, [0, 3, 4], [5], Additive(), bias=False),
                Householder(dof, 3),
                Inverse(MlpCoupling(dof, alternating(dof, 1), [4], LogisticMixture(2), act=torch.nn.LeakyReLU(0.2))),
                Permutation(along(lattice, 0, 1)),
                Inverse(Linear(lattice, order=[(i + 2) % dof for i in range(dof)], bias=False)),
                Autoregressive([2, 0, 5, 1, 3, 4], [5], OddSpline(2, 2.0)),
                Permutation(random_order(dof, 123)),
                Scaling(dof, each=True),
            ],
        ),
        targets.gmm,
        dof,
    )


CASES |= {"glow": glow, "linear_layers": linear_layers}


def conv_affine():
    lattice = [4, 6]
    return Case(
        "ConvNvp(lattice: [4, 6], couplings: 2, hidden: [3], transform: Affine(clamp: 1.0))",
        "Phi4(lattice: [4, 6], kappa: 0.25, lambda: 0.1)",
        Flow(bases.StandardNormal(), [CnnCoupling(lattice, i % 2, [3], Affine(1.0)) for i in range(2)]),
        targets.Phi4(lattice, 0.25, 0.1),
        24,
    )


def conv_odd_spline():
    lattice = [4, 4]
    return Case(
        """ConvNvp(lattice: [4, 4], couplings: 3, hidden: [2, 3], transform: OddSpline(bins: 3, interval: 2.0), symmetry: Z2,
        base: TwoSigns(m2: 0.5, kappa: 0.3, v: 1.0))""",
        "Phi4(lattice: [4, 4], kappa: 0.3, lambda: 0.02)",
        Flow(bases.TwoSigns(lattice), [CnnCoupling(lattice, i % 2, [2, 3], OddSpline(3, 2.0), symmetric=True) for i in range(3)]),
        targets.Phi4(lattice, 0.3, 0.02),
        16,
    )


def conv_additive_3d():
    lattice = [4, 4, 4]
    return Case(
        "ConvNvp(lattice: [4, 4, 4], couplings: 2, hidden: [2], transform: Additive, symmetry: Z2)",
        "Phi4(lattice: [4, 4, 4], kappa: 0.15, lambda: 0.3)",
        Flow(bases.StandardNormal(), [CnnCoupling(lattice, i % 2, [2], Additive(), symmetric=True) for i in range(2)]),
        targets.Phi4(lattice, 0.15, 0.3),
        64,
    )


def conv_affine_4d():
    lattice = [4, 4, 4, 4]
    return Case(
        "ConvNvp(lattice: [4, 4, 4, 4], couplings: 2, hidden: [1], transform: Affine(clamp: 1.0))",
        "Phi4(lattice: [4, 4, 4, 4], kappa: 0.1, lambda: 0.3)",
        Flow(bases.StandardNormal(), [CnnCoupling(lattice, i % 2, [1], Affine(1.0)) for i in range(2)]),
        targets.Phi4(lattice, 0.1, 0.3),
        256,
    )


def layers_1d():
    """The inverse of a continuous flow, and a convolutional net in one dimension."""
    lattice = [6]
    return Case(
        """Layers(shape: [6], base: DiagonalNormal, layers: [
        Inverse(Continuous(field: Lattice(frequencies: 2, times: 2), steps: 2)),
        Coupling(
            mask: Checkerboard(Odd),
            net: Cnn(hidden: [2], kernel: 5, activation: Gelu),
            transform: Spline(bins: 2, interval: 2.0),
        ),
        Continuous(field: Shallow(width: 3, times: 2), steps: 2),
    ])""",
        "Phi4(lattice: [6], kappa: 0.4, lambda: 0.5)",
        Flow(
            bases.DiagonalNormal(6),
            [
                Continuous(LatticeField(lattice, 2, 2), 2, backwards=True),
                CnnCoupling(lattice, 1, [2], Spline(2, 2.0), kernel=5, act=gelu),
                Continuous(ShallowField(6, 3, 2), 2),
            ],
        ),
        targets.Phi4(lattice, 0.4, 0.5),
        6,
    )


CASES |= {
    "conv_affine": conv_affine,
    "conv_odd_spline": conv_odd_spline,
    "conv_additive_3d": conv_additive_3d,
    "conv_affine_4d": conv_affine_4d,
    "layers_1d": layers_1d,
}


def u1_spline():
    lattice = [4, 8]
    layers = [GaugeCoupling(lattice, i % 2, i // 2 % 4, [3], CircularSpline(3), slope=0.1) for i in range(4)]
    return Case(
        "U1(lattice: [4, 8], layers: 4, transform: CircularSpline(bins: 3), hidden: [3], slope: 0.1)",
        "U1(lattice: [4, 8], beta: 1.5)",
        Flow(bases.UniformTorus(), layers),
        targets.U1(lattice, 1.5),
        64,
        angles=True,
    )


def u1_inverses():
    lattice = [4, 4]
    return Case(
        """Layers(shape: [2, 4, 4], base: UniformTorus, layers: [
        GaugeCoupling(direction: 1, offset: 3, net: (hidden: [2], kernel: 5), transform: TanMixture(mixtures: 2)),
        Inverse(GaugeCoupling(direction: 0, offset: 2, net: (hidden: [2]), transform: CircularSpline(bins: 2))),
        Inverse(PlaquetteFlow(sines: 1, products: 2, times: 2, steps: 2)),
    ])""",
        "U1(lattice: [4, 4], beta: 1.0)",
        Flow(
            bases.UniformTorus(),
            [
                GaugeCoupling(lattice, 1, 3, [2], TanMixture(2), kernel=5),
                Inverse(GaugeCoupling(lattice, 0, 2, [2], CircularSpline(2))),
                PlaquetteFlow(PlaquetteField(lattice, 1, 2, 2), 2, backwards=True),
            ],
        ),
        targets.U1(lattice, 1.0),
        32,
        angles=True,
    )


def torus_spline():
    lattice = [2, 2, 3]
    return Case(
        "TorusSpline(lattice: [2, 2, 3], couplings: 3, hidden: [6], bins: 3)",
        "U1(lattice: [2, 3], beta: 0.8)",
        Flow(bases.UniformTorus(), [AngleCoupling(12, alternating(12, i % 2), [6], CircularSpline(3)) for i in range(3)]),
        targets.U1(lattice[1:], 0.8),
        12,
        angles=True,
    )


def torus_tan_mixture():
    return Case(
        """Layers(shape: [2, 2, 2], base: UniformTorus, layers: [
        AngleCoupling(mask: Alternating(Even), net: Mlp(hidden: [5]), transform: TanMixture(mixtures: 3)),
        Permutation(order: Random(5)),
        Inverse(AngleCoupling(mask: Custom([1, 2, 7]), net: Mlp(hidden: [5]), transform: CircularSpline(bins: 3))),
    ])""",
        "U1(lattice: [2, 2], beta: 0.8)",
        Flow(
            bases.UniformTorus(),
            [
                AngleCoupling(8, alternating(8, 0), [5], TanMixture(3)),
                Permutation(random_order(8, 5)),
                Inverse(AngleCoupling(8, [1, 2, 7], [5], CircularSpline(3))),
            ],
        ),
        targets.U1([2, 2], 0.8),
        8,
        angles=True,
    )


CASES |= {
    "u1_spline": u1_spline,
    "u1_inverses": u1_inverses,
    "torus_spline": torus_spline,
    "torus_tan_mixture": torus_tan_mixture,
}
