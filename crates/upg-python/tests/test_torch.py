"""Flows in PyTorch are those of the Rust code, and those of the independent reference."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import upg
from upg import _upg

torch = pytest.importorskip("torch")
torch.set_num_threads(1)
CASES = Path(__file__).parents[3] / "tests/reference/cases"

HIDDEN: dict[str, Any] = {"lattice": [4, 2], "hidden": [5, 6]}
MIXTURE = upg.transforms.LogisticMixture(mixtures=2)
FLOWS: dict[str, tuple[upg.flows.FlowSpec | str, bool]] = {
    "real_nvp": (upg.flows.RealNvp(**HIDDEN, couplings=3, mask="Checkerboard", activation="LeakyRelu(0.1)", base="DiagonalNormal"), False),
    "real_nvp_mixture": (upg.flows.RealNvp(**HIDDEN, couplings=2, transform=MIXTURE, activation="Softplus"), False),
    "z2_nice": (upg.flows.Z2Nice(**HIDDEN, couplings=3, base="TwoSigns(m2: 0.6, kappa: 0.2, v: 0.8)"), False),
    "spline_nvp": (upg.flows.SplineNvp(**HIDDEN, couplings=3, bins=4, interval=2.0, activation="Elu"), False),
    "torus_spline": (upg.flows.TorusSpline(lattice=[2, 4, 4], hidden=[5], couplings=3, bins=4), True),
    "maf": (upg.flows.Maf(**HIDDEN, layers=2, transform=upg.transforms.Affine(clamp=1.0), activation="Silu"), False),
    "iaf": (upg.flows.Iaf(**HIDDEN, layers=2, transform=upg.transforms.OddSpline(bins=3, interval=2.0)), False),
    "glow": (upg.flows.Glow(lattice=[4, 4], steps=2, hidden=[5], cells=[2, 2]), False),
    "conv": (upg.flows.ConvNvp(lattice=[4, 4], couplings=3, hidden=[3], symmetry="Z2", activation="Tanh"), False),
    "u1": (upg.flows.U1(lattice=[4, 8], layers=5, mixtures=3, hidden=[3, 2]), True),
    "u1_spline": (upg.flows.U1(lattice=[4, 4], layers=4, transform="CircularSpline(bins: 3)", hidden=[3]), True),
    "lattice_field": (
        upg.flows.Continuous(lattice=[4, 4], field=upg.fields.Lattice(frequencies=3, times=2), steps=4, base="FreeField(m2: 0.6, kappa: 0.2)"),
        False,
    ),
    "shallow": (upg.flows.Continuous(lattice=[6], field=upg.fields.Shallow(width=5, times=2), steps=4), False),
    "u1_continuous": (upg.flows.U1Continuous(lattice=[4, 3], sines=2, products=2, times=2, steps=4), True),
    "linear": (
        "Layers(shape: [3, 2], base: StandardNormal, layers: [ActNorm(), Linear(order: Random(7), negative: [1, 4]), Householder(reflections: 3),"
        " Inverse(Linear(order: Shift(2), bias: No)), Permutation(order: Along(direction: 0, by: 1)), Scaling(scales: PerDof)])",
        False,
    ),
}


def tensors_of(path: Path) -> dict[str, Any]:
    held = path.read_bytes()
    begin = 8 + int.from_bytes(held[:8], "little")
    found = {}
    for name, at in json.loads(held[8:begin]).items():
        if name != "__metadata__":
            first, end = at["data_offsets"]
            found[name] = np.frombuffer(held[begin + first : begin + end], "<f8").reshape(at["shape"])
    return found


def wrong(found: Any, expected: Any, angles: bool = False) -> float:
    """The largest difference, relative to the largest number, at least 1."""
    found, expected = (np.asarray(of.detach() if hasattr(of, "detach") else of, dtype=float) for of in (found, expected))
    difference = abs(found - expected)
    difference = np.minimum(difference, abs(difference - 2 * np.pi)) if angles else difference
    return float(difference.max() / max(1.0, abs(expected).max()))


@pytest.mark.parametrize("name", sorted(path.name for path in CASES.iterdir()))
def test_the_reference(name: str) -> None:
    text = (CASES / name / "config.ron").read_text()
    description = text[text.index("flow:") + 5 : text.index(",\n    target")]
    from upg.torch import made

    flow = made(json.loads(_upg.flow_layers(description)), tensors_of(CASES / name / "params.safetensors"))
    expected = tensors_of(CASES / name / "expected.safetensors")
    z, data = (torch.tensor(np.load(CASES / name / f"{points}.npy")) for points in ("z", "x_data"))
    x, log_det = flow(z)
    assert wrong(x, expected["x"], flow.angles) < 1e-12 and wrong(log_det, expected["log_det"]) < 1e-12
    assert wrong(flow.base.log_density(z) - log_det, expected["log_q"]) < 1e-12
    z_of_data, log_det = flow.inverse(data)
    assert wrong(z_of_data, expected["z_of_x_data"], flow.angles) < 1e-12
    assert wrong(log_det, expected["log_det_of_x_data"]) < 1e-12
    assert wrong(flow.log_prob(data), expected["log_q_of_x_data"]) < 1e-12


def random_run(folder: Path, name: str, precision: str) -> upg.Run:
    """A run whose weights are random numbers."""
    flow, angles = FLOWS[name]
    generator = np.random.default_rng(len(name))
    told = flow if isinstance(flow, str) else flow.ron()
    weights = {
        tensor: generator.normal(0, 0.3 if len(shape) < 2 else 0.7 / np.sqrt(np.prod(shape[1:])), shape) + (tensor == "base.v")
        for tensor, shape in _upg.flow_shapes(told)
    }
    start = upg.from_torch_state(weights, flow, folder / "start.safetensors")
    shape = json.loads(_upg.flow_layers(told))["shape"]
    target = upg.targets.U1(lattice=shape[1:], beta=0.7) if len(shape) == 3 else upg.targets.Phi4(lattice=shape, kappa=0.2, lambda_=0.2)
    options: dict[str, Any] = {"optimiser": upg.optimisers.Adam(rate=1e-9), "start_from": start, "precision": precision}
    return upg.train(flow, target, steps=1, batch=4, out=folder / "run", **options)


@pytest.mark.parametrize("precision", ["F32", "F64"])
@pytest.mark.parametrize("name", FLOWS)
def test_the_rust_code(name: str, precision: str, tmp_path: Path) -> None:
    run = random_run(tmp_path, name, precision)
    files = [str(tmp_path / "x.npy"), str(tmp_path / "z.npy")]
    made = subprocess.call([sys.executable, "-m", "upg", "sample", "--run", str(run.path), "-n", "64", "--out", files[0], "--latent", files[1]])
    assert made == 0
    x, z = (np.load(file) for file in files)
    flow = run.to_torch()
    epsilon = {"F32": 1e-6, "F64": 1e-12}[precision] * (2 if name == "torus_spline" else 1)  # whose slopes are of random numbers
    assert wrong(flow(torch.tensor(z))[0], x, flow.angles) < epsilon
    assert wrong(flow.log_prob(torch.tensor(x)), run.log_prob(x)) < epsilon
    assert wrong(flow.log_prob(torch.tensor(x).flatten(1)), run.log_prob(x)) < epsilon


def test_inverses_without_a_closed_form_have_derivatives() -> None:
    from upg.torch.transforms import LogisticMixture, TanMixture

    generator = torch.Generator().manual_seed(1)
    for transform, y in ((LogisticMixture(3), torch.tensor([-7.0, -0.3, 2.0])), (TanMixture(3), torch.tensor([0.2, 3.0, 6.1]))):
        phi = torch.randn(3, transform.width, dtype=torch.float64, generator=generator).requires_grad_()
        y = y.double().requires_grad_()
        t, log_slope = transform.inverse(y, phi)
        g, same = transform(t, phi)
        turns = torch.round((g - y) / (2 * np.pi)).detach() * 2 * np.pi if isinstance(transform, TanMixture) else 0.0
        assert wrong(g - turns, y) < 1e-14 and wrong(log_slope, same) < 1e-13
        assert torch.autograd.gradcheck(transform.inverse, (y, phi), fast_mode=True)
        assert torch.autograd.gradgradcheck(transform.inverse, (y, phi), fast_mode=True)


@pytest.mark.parametrize("name", ["real_nvp_mixture", "u1", "spline_nvp", "maf", "glow"])
def test_densities_have_the_derivatives_of_differences(name: str, tmp_path: Path) -> None:
    flow = random_run(tmp_path, name, "F64").to_torch()
    x = flow.sample(3, torch.Generator().manual_seed(2)).detach().requires_grad_()
    torch.manual_seed(6)
    direction = [torch.randn(of.shape, dtype=of.dtype) for of in (x, *flow.parameters())]
    gradients = torch.autograd.grad(flow.log_prob(x).sum(), [x, *flow.parameters()])
    slope = float(sum((g * d).sum() for g, d in zip(gradients, direction, strict=True)))
    ends, h = [], 1e-7  # no further than to the next kink
    with torch.no_grad():
        for by in (h, -2 * h):
            for of, d in zip((x, *flow.parameters()), direction, strict=True):
                of.add_(by * d)
            ends.append(float(flow.log_prob(x).sum()))
    assert abs((ends[0] - ends[1]) / (2 * h) - slope) < 1e-5 * max(1.0, abs(slope))


def test_training_goes_on_in_pytorch(tmp_path: Path) -> None:
    run = random_run(tmp_path, "real_nvp", "F32")
    flow, generator = run.to_torch(), torch.Generator().manual_seed(3)
    optimiser, losses = torch.optim.Adam(flow.parameters(), lr=0.01), []
    for _ in range(40):
        z = flow.base.sample(128, flow.base.of("mean"), generator)
        x, log_det = flow(z)
        loss = (flow.base.log_density(z) - log_det + 0.5 * (x**2).sum(1)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0] - 1
    back = upg.from_torch_state(flow.state_dict(), FLOWS["real_nvp"][0], tmp_path / "back.safetensors")
    again = upg.to_torch(back)
    assert again.state_dict().keys() == flow.state_dict().keys()
    assert all(torch.equal(of, again.state_dict()[name]) for name, of in flow.state_dict().items())
    assert flow.sample(5, torch.Generator().manual_seed(4)).shape == (5, 4, 2)


class Coupling(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    """A coupling as it is written everywhere."""

    def __init__(self, even: bool) -> None:
        super().__init__()
        self.moved, self.kept = slice(0 if even else 1, None, 2), slice(1 if even else 0, None, 2)
        self.net = torch.nn.Sequential(torch.nn.Linear(3, 7), torch.nn.Tanh(), torch.nn.Linear(7, 5), torch.nn.Tanh(), torch.nn.Linear(5, 6))

    def forward(self, x: Any) -> tuple[Any, Any]:
        shift, log_scale = self.net(x[:, self.kept]).chunk(2, 1)
        y = x.clone()
        y[:, self.moved] = x[:, self.moved] * torch.exp(log_scale) + shift
        return y, log_scale.sum(1)


def test_a_module_of_ones_own_becomes_weights(tmp_path: Path) -> None:
    torch.manual_seed(5)
    couplings = torch.nn.ModuleList([Coupling(i % 2 == 0) for i in range(12)]).double()
    module = torch.nn.ModuleDict({"couplings": couplings})
    flow = upg.flows.RealNvp(lattice=[6], couplings=12, hidden=[7, 5], activation=upg.activations.Tanh())
    start = upg.from_torch_state(module.state_dict(), flow, tmp_path / "start.safetensors")
    z = torch.randn(9, 6, dtype=torch.float64)
    x, log_det = z, 0.0
    for coupling in couplings:
        x, of_layer = coupling(x)
        log_det = log_det + of_layer
    found, of_flow = upg.to_torch(start)(z)
    assert wrong(found, x) < 1e-13 and wrong(of_flow, log_det) < 1e-13
    options: dict[str, Any] = {"start_from": start, "optimiser": upg.optimisers.Adam(rate=1e-12), "precision": "F64"}
    run = upg.train(flow, upg.targets.Gmm(dim=6), steps=1, batch=4, out=tmp_path / "run", **options)
    log_q = -0.5 * (z**2).sum(1) - 3 * np.log(2 * np.pi) - log_det
    assert wrong(log_q, run.log_prob(x.detach().numpy())) < 1e-9


def test_what_is_refused(tmp_path: Path) -> None:
    flow = upg.flows.RealNvp(lattice=[4], couplings=1, hidden=[])
    good = {"layers.0.net.0.weight": np.zeros((4, 2)), "layers.0.net.0.bias": np.zeros(4)}
    out = tmp_path / "weights.safetensors"
    cases: list[tuple[dict[str, Any], str]] = [
        ({**good, "layers.0.net.0.bias": np.zeros(3)}, r"layers.0.net.0.bias of shape \[3\]: accepted is \[4\]"),
        ({**good, "other": np.zeros(3)}, "other: it is not a parameter"),
        ({"layers.0.net.0.weight": np.zeros((4, 2))}, "layers.0.net.0.bias is missing"),
        ({**good, "layers.0.net.0.bias": np.full(4, np.nan)}, "value NaN at"),
        ({"a": np.zeros(1)}, "is missing"),
    ]
    for state, told in cases:
        with pytest.raises(upg.ArgumentError, match=told):
            upg.from_torch_state(state, flow, out)
    assert not out.exists()
    with pytest.raises(upg.ConfigError, match="couplings = 0"):
        upg.from_torch_state(good, upg.flows.RealNvp(lattice=[4], couplings=0, hidden=[]), out)
    with pytest.raises(upg.ArgumentError, match="flow: "):
        upg.from_torch_state(good, "RealNvp(lattice: [4])", out)
    module = upg.to_torch(upg.from_torch_state(good, flow, out))
    with pytest.raises(upg.ArgumentError, match=r"x of shape \[3, 5\]: accepted is \[n, 4\]"):
        module.log_prob(torch.zeros(3, 5, dtype=torch.float64))
    with pytest.raises(upg.ArgumentError, match="float32: accepted is torch.float64"):
        module.log_prob(torch.zeros(3, 4, dtype=torch.float32))
    with pytest.raises(upg.ArgumentError, match="dtype = "):
        upg.to_torch(out, torch.float16)
    assert upg.to_torch(out, "float32").log_prob(torch.zeros(3, 4)).dtype == torch.float32
    with pytest.raises(upg.UpgError, match="nowhere"):
        upg.to_torch(tmp_path / "nowhere")
    bare = tmp_path / "bare.safetensors"
    bare.write_bytes((2).to_bytes(8, "little") + b"{}")
    with pytest.raises(upg.ArgumentError, match="no flow in the metadata"):
        upg.to_torch(bare)
