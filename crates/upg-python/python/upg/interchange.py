"""Flows to PyTorch and from there."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _upg
from .errors import ArgumentError
from .notation import ron, shown, word
from .numbers import real
from .run import Run, Weights

if TYPE_CHECKING:
    from .flows import FlowSpec
    from .torch import Flow

__all__ = ["from_torch_state", "to_torch"]


def to_torch(
    flow: Run | str | os.PathLike[str],
    dtype: Any = None,
    *,
    weights: Weights = "best",
    ode_steps: int | None = None,
) -> Flow:
    """A trained flow as a module of PyTorch, whose parameters autograd trains.

    ``forward(z)`` returns x and log|det dx/dz|, ``inverse(x)`` z and log|det dz/dx|, ``log_prob(x)`` log q, ``sample(n, generator)`` samples: see
    :class:`upg.torch.Flow`. Densities and maps are those of upg up to round-off. There are all flows; those that are solved number by number, as
    :class:`upg.flows.Maf` when it draws and :class:`upg.flows.Iaf` when it tells log q, take as many passes as a sample has numbers.

    :param flow: a run, its folder, or a weights file that upg has written.
    :param dtype: ``float32`` or ``float64``, of NumPy or of PyTorch, by default that of the training.
    :param weights: of a run, as for :meth:`Run.sample`.
    :param ode_steps: steps of continuous flows, by default those of an evaluation; those of the training for a weights file.

    Raises ImportError if there is no PyTorch.
    """
    try:
        from .torch import made
    except ModuleNotFoundError as missing:
        if missing.name != "torch":
            raise
        raise ImportError("to_torch needs PyTorch: pip install torch") from None
    path = flow.path if isinstance(flow, Run) else Path(flow)
    description, tensors = _upg.flow_tensors(path, weights, ode_steps)
    return made(json.loads(description), tensors, dtype)


def from_torch_state(
    state_dict: Mapping[str, Any],
    flow: FlowSpec | str,
    out: str | os.PathLike[str] = "weights.safetensors",
) -> Path:
    """Writes the state of a module of PyTorch as a weights file of a flow; returns its path, for ``upg.train(…, start_from=path)``.

    The names may be

    - those of docs/WEIGHTS.md, which the modules of :func:`to_torch` have, for every flow;
    - or, for flows of couplings with fully connected nets, as RealNvp, those of a list of modules each of which has its net in an
      ``nn.Sequential``: ``couplings.0.net.0.weight``, ``couplings.0.net.2.weight`` and so on. The first number of a name counts the couplings,
      the last one the modules of the sequence; all that counts is their order. The net reads the numbers that are kept, and its outputs are
      all shifts, then all raw log-scales, in the order of the flat indices.

    :param state_dict: tensors, or arrays, by their names.
    :param flow: a description of :mod:`upg.flows`, or its text.
    :param out: the file.

    Raises :class:`upg.ArgumentError` if a tensor is missing, or has another shape, or isn't one of the flow.
    """
    told = ron(flow)
    shapes = dict(_upg.flow_shapes(told))
    if not isinstance(state_dict, Mapping):
        raise ArgumentError(f"state_dict = {shown(state_dict)}: accepted are tensors or arrays by their names")
    arrays = {word("name of a tensor", name): real(name, _array(of)) for name, of in state_dict.items()}
    if not set(arrays) & set(shapes):
        arrays = _renamed(arrays, list(shapes))
    _upg.write_weights(out, told, arrays)
    return Path(out)


def _array(of: Any) -> Any:
    return of.detach().cpu().numpy() if hasattr(of, "detach") else of


def _renamed(arrays: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """With the names of the flow, couplings and linear maps in the same order; as they are where there are more or fewer of them."""

    def numbers(name: str) -> tuple[int, ...]:
        return tuple(int(part) for part in name.split(".") if part.isdigit())

    renamed = dict(arrays)
    for kind in ("weight", "bias"):
        theirs = sorted((name for name in arrays if name.endswith(f".{kind}")), key=numbers)
        ours = sorted((name for name in names if name.endswith(f".{kind}") and ".net." in name), key=numbers)
        if len(theirs) == len(ours):
            renamed |= {our: renamed.pop(their) for our, their in zip(ours, theirs, strict=True)}
    return renamed
