"""Descriptions, as configurations have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import upg
from upg.notation import ron


def test_fields_that_are_not_given_are_not_written() -> None:
    assert upg.flows.RealNvp(lattice=[2], couplings=1, hidden=[]).ron() == "RealNvp(lattice: [2], couplings: 1, hidden: [])"
    assert upg.targets.Funnel().ron() == "Funnel()"
    assert upg.bases.StandardNormal().ron() == "StandardNormal"
    assert upg.bases.FreeField(m2=1.0, kappa=None).ron() == "FreeField(m2: 1.0)"


def test_values_of_every_kind() -> None:
    assert upg.activations.LeakyRelu(0.1).ron() == "LeakyRelu(0.1)"
    assert upg.orders.Along(direction=0, by=1).ron() == "Along(direction: 0, by: 1)"
    assert upg.anneals.Beta(from_=0.5, steps=3).ron() == "Beta(from: 0.5, steps: 3)"
    assert upg.sources.File("a \\ \"b\".npy").ron() == 'File("a \\\\ \\"b\\".npy")'
    assert ron({"train": upg.sources.Draw(3), "test": None}) == "(train: Draw(3))"
    assert ron(np.array([1, 2])) == "[1, 2]" and ron(np.float32(0.5)) == "0.5" and ron(Path("x")) == '"x"'
    with pytest.raises(TypeError, match="accepted"):
        ron(object())


def test_what_is_written_is_read() -> None:
    coupling = upg.layers.Coupling(
        mask=upg.layer_masks.Alternating("Even"),
        net=upg.nets.Mlp(hidden=[3], activation=upg.activations.LeakyRelu(0.2)),
        transform=upg.transforms.Spline(bins=4, interval=3.0),
    )
    flow = upg.flows.Layers(
        shape=[4],
        base=upg.bases.DiagonalNormal(),
        layers=[coupling, upg.layers.Inverse(coupling), upg.layers.Permutation(order=upg.orders.Random(7))],
    )
    told = upg.check(flow, upg.targets.Gaussian(mean=np.zeros(4).tolist(), covariance=np.eye(4).tolist()), objective="Reverse(Reparam)")
    assert "LeakyRelu(0.2)" in told and "Inverse(" in told and "Reparam" in told


def test_descriptions_are_equal_by_their_texts() -> None:
    one, other = (upg.targets.U1(lattice=[4, 4], beta=beta) for beta in (1.0, 2.0))
    assert one == upg.targets.U1(lattice=[4, 4], beta=1.0) and one != other and len({one, other}) == 2
    assert repr(one) == "U1(lattice=[4, 4], beta=1.0)"
