"""Targets of one's own: any function of NumPy, PyTorch, JAX or anything else that computes an action and its force."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from . import _upg
from .errors import ArgumentError, TargetError
from .notation import ron, shown, text, whole
from .numbers import masked, real64
from .targets import TargetSpec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from .flows import FlowSpec

    Array = npt.NDArray[np.float64]

__all__ = ["Checked", "Target", "check_target", "from_jax", "from_numpy", "from_torch"]

Domain = Literal["reals", "angles"]
Symmetry = Callable[["Array"], Any]


class Target(TargetSpec):
    """A density p(x) ~ exp(-S(x)) of one's own, given by a function that computes the action S and the force -dS/dx of a batch.

    >>> import numpy as np
    >>> target = upg.Target(3, lambda x: (0.5 * (x**2).sum(1), -x), name="normal")

    **The force is minus the gradient of the action.** Of log p, the action is the value with its sign changed, and the force is the gradient as it is.

    :param dof: number of degrees of freedom.
    :param action_and_force: called with x, float64 of shape ``[batch, dof]``, C-contiguous, the function's own to keep and to change; returns the
        action, shape ``[batch]``, and the force, shape ``[batch, dof]``. What isn't float64 is converted. A batch of a training comes in pieces,
        and samples that aren't finite are left out, so ``batch`` differs from call to call; a sample's results must not depend on those beside it, nor
        on earlier calls.
    :param action: computes the action alone, where no force is needed: in evaluations and for log-weights. By default the force is thrown away.
    :param force: ``"given"``, or ``"finite-differences"``: ``action_and_force`` then returns the action alone, and the force is made of central
        differences with steps of 6e-6 max(1, abs(x_i)), at the cost of 2 ``dof`` actions a sample; it is off by about 1e-10 of S. The check
        compares it with other steps. An action in single precision is too coarse for it.
    :param domain: ``"reals"``, or ``"angles"`` for flows of angles: S then has the period 2 pi in each, and x comes unwrapped; turns are checked with the force.
    :param symmetries: functions of x, shape ``[batch, dof]``, to others of the same shape, that leave S as it is, such as ``lambda x: -x``. They are
        statements, which are compared with the action, within 1e-5: before a training at some of its first samples, by :func:`check_target` at all
        points. Nothing is made symmetric by them; flows that are so by construction are for instance those of ``Z2Nice``.
    :param shape: shape of a sample, compared with that of the flow, such as ``[16, 8]``; by default any. x is ``[batch, dof]`` all the same.
    :param check: whether the force is compared with finite differences of the action before a training, at two samples of the base of the flow, and
        the symmetries with the action.
    :param name: what messages and the configuration of a run call it, by default the name of the function. A run is loaded with the target of its name.

    A constant in S shifts log Z and nothing else; S = inf is a density of 0, which data and weights may have, but the reverse KL is then infinite, and steps
    with such samples are skipped. A NaN isn't an error: the step is skipped, too, and the first one is told of in a warning, with its sample. What the function raises ends the training; it comes through as it is, and the last checkpoint stands.

    The function is called in the thread that called upg, one call at a time.
    """

    _variant = "Python"

    def __init__(
        self,
        dof: int,
        action_and_force: Callable[[Array], Any],
        *,
        action: Callable[[Array], Any] | None = None,
        force: Literal["given", "finite-differences"] = "given",
        domain: Domain = "reals",
        symmetries: Sequence[Symmetry] = (),
        shape: Sequence[int] | None = None,
        check: bool = True,
        name: str | None = None,
    ) -> None:
        if not callable(action_and_force) or not (action is None or callable(action)):
            told, wrong = ("action", action) if callable(action_and_force) else ("action_and_force", action_and_force)
            raise ArgumentError(f"{told} = {shown(wrong)}: accepted is a function of x, shape [batch, dof]")
        self.symmetries = _symmetries(symmetries)
        forces = {"given": "Given", "finite-differences": "FiniteDifferences"}
        domains = {"reals": "Reals", "angles": "Angles"}
        for told, value, accepted in (("force", force, forces), ("domain", domain, domains)):
            if not isinstance(value, str) or value not in accepted:
                raise ArgumentError(f"{told} = {value!r}: accepted are {' and '.join(map(repr, accepted))}")
        if not hasattr(dof, "__index__") or int(dof) < 1:
            raise ArgumentError(f"dof = {dof!r}: accepted is a whole number, at least 1")
        self.dof = int(dof)
        self.name = _name_of(action_and_force) if name is None else name
        if not isinstance(self.name, str):
            raise ArgumentError(f"name = {shown(name)}: accepted is a text")
        if shape is not None and (isinstance(shape, str) or not isinstance(shape, Iterable)):
            raise ArgumentError(f"shape = {shown(shape)}: accepted are extents, as [16, 8]")
        self._function = action_and_force
        self._has_differences = force == "finite-differences"
        self._action = action_and_force if self._has_differences else action
        self._are_symmetries_unseen = check and bool(self.symmetries)
        super().__init__(
            {
                "function": text(self.name),
                "dof": self.dof,
                "force": None if force == "given" else forces[force],
                "domain": None if domain == "reals" else domains[domain],
                "shape": None if shape is None else list(shape),
                "check": None if check else "Off",
            }
        )

    def __repr__(self) -> str:
        return f"upg.Target({self.dof}, {self.name})"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def action(self, x: npt.ArrayLike) -> Array:
        """S(x), shape ``[batch]``, at points of the shape ``[batch, dof]``."""
        return self._compute(self._points(x), False)[0]

    def action_and_force(self, x: npt.ArrayLike) -> tuple[Array, Array]:
        """S(x), shape ``[batch]``, and -dS/dx, shape ``[batch, dof]``, at points of the shape ``[batch, dof]``; not of finite differences."""
        if self._has_differences:
            raise ArgumentError("force = 'finite-differences': accepted is 'given' where the force is asked for")
        action, force = self._compute(self._points(x), True)
        return action, cast("Array", force)

    def _points(self, x: npt.ArrayLike) -> Array:
        points = real64("x", x)
        points = points.copy() if points is x else points
        if points.ndim != 2 or points.shape[1] != self.dof:
            raise ArgumentError(f"x of shape {list(points.shape)}: accepted is [batch, {self.dof}]")
        return points

    def check_symmetries(self, x: npt.ArrayLike) -> float:
        """Compares S(g(x)) with S(x) for every symmetry g, at points of the shape ``[batch, dof]``.

        Returns the largest difference, as a part of what is tolerated: 1e-5 of S(x) or of 1, whichever is larger. Raises :class:`upg.TargetError` with the
        symmetry, the sample and both numbers.
        """
        import numpy as np

        points, largest = self._points(x), 0.0
        before = self.action(points)
        for at, symmetry in enumerate(self.symmetries):
            told = f"{self.name}, symmetries[{at}] = {_name_of(symmetry)}"
            moved = np.array(_checked(told, "image", symmetry(points.copy()), points.shape))
            after = self.action(moved)
            with np.errstate(invalid="ignore"):
                off = np.where(before == after, 0.0, np.abs(after - before) / (1e-5 * np.maximum(1.0, np.abs(before))))
            off[np.isnan(before) & np.isnan(after)] = 0.0
            off[np.isnan(off)] = np.inf
            if off.max(initial=0.0) > 1.0:
                sample = int(np.argmax(off))
                error = TargetError(f"target {told}: S = {float(before[sample])} becomes {float(after[sample])} at sample {sample}: accepted is a function that leaves S as it is")
                error.sample = sample
                raise error
            largest = max(largest, float(off.max(initial=0.0)))
        return largest

    def _compute(self, x: Array, is_force_wanted: bool) -> tuple[Array, Array | None]:
        """What upg calls; x may be changed."""
        shape = x.shape
        if self._are_symmetries_unseen and len(x) > 0:
            self._are_symmetries_unseen = False
            try:
                self.check_symmetries(x[:16])
            except BaseException:
                self._are_symmetries_unseen = True
                raise
        if not is_force_wanted and self._action is not None:
            return _checked(self.name, "action", self._action(x), shape[:1]), None
        answer = self._function(x)
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            found = type(answer).__name__ if not isinstance(answer, (tuple, list)) else f"{len(answer)} values"
            raise TargetError(f"target {self.name} returns {found}: accepted are two, the action and the force")
        action = _checked(self.name, "action", answer[0], shape[:1])
        return action, _checked(self.name, "force", answer[1], shape) if is_force_wanted else None


def _checked(name: str, what: str, value: Any, shape: tuple[int, ...]) -> Array:
    """The numbers as C-contiguous float64, if their shape is that."""
    import numpy as np

    kind = getattr(value, "dtype", None)
    try:
        array = np.asarray(value)
    except (TypeError, ValueError):
        array = np.asarray(None)
    if hidden := masked(value):
        raise TargetError(f"target {name}: the {what} has {hidden} masked numbers: accepted are none")
    if array.shape == shape and array.dtype.kind in "fiub":
        return np.require(array, np.float64, ["C", "A"])
    sample, found = _first_wrong(value, shape[1:])
    accepted = f"accepted is {list(shape)} of float64, [batch{', dof' if len(shape) > 1 else ''}]"
    if array.shape == shape or array.dtype == object:
        kind = array.dtype if kind is None else kind
        problem = f"the {what} is {found}" if found else f"the {what} has the dtype {kind}"
    else:
        problem = f"the {what} has the shape {list(array.shape)}"
        sample = None if array.ndim == 0 or array.shape[0] != shape[0] else 0
    of = "" if sample is None else f", sample {sample} of {shape[0]}"
    error = TargetError(f"target {name}{of}: {problem}: {accepted}")
    error.sample = sample
    raise error


def _first_wrong(value: Any, shape: tuple[int, ...]) -> tuple[int | None, str | None]:
    """The first sample whose numbers aren't as many real numbers as they should be, and what they are."""
    import numpy as np

    try:
        rows = list(value)
    except TypeError:
        return None, type(value).__name__
    for n, row in enumerate(rows):
        try:
            array = np.asarray(row)
            if array.dtype.kind == "O":
                array = np.array([float(number) for number in array.ravel()]).reshape(array.shape)
        except (TypeError, ValueError):
            return n, shown(row)
        if array.shape != shape:
            return n, f"of shape {list(array.shape)}"
        if array.dtype.kind not in "fiub":
            return n, shown(row)
    return None, None


def _symmetries(symmetries: Sequence[Symmetry]) -> tuple[Symmetry, ...]:
    if isinstance(symmetries, (list, tuple)):
        if all(callable(symmetry) for symmetry in symmetries):
            return tuple(symmetries)
    raise ArgumentError(f"symmetries = {symmetries!r}: accepted is a list of functions of x, shape [batch, dof], that leave S as it is")


def _name_of(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__qualname__", None) or getattr(function, "__name__", None) or type(function).__name__)


def from_numpy(
    action: Callable[[Array], Any],
    force: Callable[[Array], Any] | Literal["finite-differences"] | None = None,
    *,
    dof: int,
    domain: Domain = "reals",
    symmetries: Sequence[Symmetry] = (),
    shape: Sequence[int] | None = None,
    check: bool = True,
    name: str | None = None,
) -> Target:
    """A target of two functions of x, shape ``[batch, dof]``: the action, shape ``[batch]``, and the force -dS/dx, shape ``[batch, dof]``.

    ``force="finite-differences"`` makes the force of differences of the action, see :class:`Target` for its cost and its error; it has to be asked for.
    The other arguments are those of :class:`Target`.
    """
    name = _name_of(action) if name is None else name
    if force == "finite-differences":
        return Target(dof, action, force="finite-differences", domain=domain, symmetries=symmetries, shape=shape, check=check, name=name)
    if not callable(force):
        raise ArgumentError(f'force = {force!r}: accepted is a function of x, or "finite-differences", 2 dof actions a sample')

    def action_and_force(x: Array) -> tuple[Any, Any]:
        return action(x.copy()), force(x)

    return Target(dof, action_and_force, action=action, domain=domain, symmetries=symmetries, shape=shape, check=check, name=name)


def from_torch(
    energy: Callable[[Any], Any],
    dof: int,
    *,
    dtype: Any = None,
    device: Any = None,
    domain: Domain = "reals",
    symmetries: Sequence[Symmetry] = (),
    shape: Sequence[int] | None = None,
    check: bool = True,
    name: str | None = None,
) -> Target:
    """A target whose action is computed by PyTorch, and whose force by its autograd.

    :param energy: a function, or a module, of a tensor ``[batch, dof]`` that returns the action, shape ``[batch]``; of each sample by itself, as the
        gradient is that of the sum. Its parameters get no gradients.
    :param dtype: of the tensor, by default ``torch.float64``. With ``torch.float32`` the check of the force tolerates its round-off.
    :param device: of the tensor, by default that of the processor.

    The other arguments are those of :class:`Target`.
    """
    torch = _library("from_torch", "torch", "PyTorch")
    kind = torch.float64 if dtype is None else dtype

    def action(x: Array) -> Any:
        with torch.no_grad():
            return _of_batch(energy(torch.from_numpy(x).to(device=device, dtype=kind)), x)

    def action_and_force(x: Array) -> tuple[Any, Any]:
        with torch.enable_grad():
            tensor = torch.from_numpy(x).to(device=device, dtype=kind).requires_grad_()
            energies = _of_batch(energy(tensor), x)
            (gradient,) = torch.autograd.grad(energies.sum(), tensor)
        return energies.detach().cpu().numpy(), (-gradient).cpu().numpy()

    return Target(dof, action_and_force, action=action, domain=domain, symmetries=symmetries, shape=shape, check=check, name=_name_of(energy) if name is None else name)


def _library(function: str, module: str, name: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != module:
            raise
        raise ImportError(f"{function} needs {name}: pip install {module}") from None


def _of_batch(energies: Any, x: Array) -> Any:
    """Energies, if there is one of each sample: the sum of others would have a gradient, too."""
    if tuple(energies.shape) != x.shape[:1]:
        raise TargetError(f"the energy has the shape {list(energies.shape)}: accepted is [batch] = [{x.shape[0]}]")
    return energies


def from_jax(
    energy: Callable[[Any], Any],
    dof: int,
    *,
    batched: bool = False,
    x64: bool = True,
    domain: Domain = "reals",
    symmetries: Sequence[Symmetry] = (),
    shape: Sequence[int] | None = None,
    check: bool = True,
    name: str | None = None,
) -> Target:
    """A target whose action is computed by JAX, compiled, and whose force by its automatic differentiation.

    :param energy: a function of one sample, shape ``[dof]``, that returns its action, a scalar; it is mapped over batches. With ``batched=True`` one of
        a batch, ``[batch, dof]``, that returns ``[batch]``, as those for NumPy and PyTorch are.
    :param x64: compute in double precision, whatever ``jax_enable_x64`` says; arrays that the function closes over keep theirs. With ``False`` in
        that of JAX, which is single by default; the check of the force tolerates its round-off.

    Batches are padded to powers of two, by copies of their last sample, so that a handful of shapes is compiled. The other arguments are those of
    :class:`Target`.
    """
    import numpy as np

    jax = _library("from_jax", "jax", "JAX")
    of_batch = energy if batched else jax.vmap(energy)

    def summed(x: Any) -> tuple[Any, Any]:
        energies = of_batch(x)
        return energies.sum(), energies

    energies_of = jax.jit(of_batch)
    gradient_of = jax.jit(jax.grad(summed, has_aux=True))

    def padded(x: Array) -> Array:
        return np.pad(x, ((0, (1 << (len(x) - 1).bit_length()) - len(x)), (0, 0)), mode="edge")

    def action(x: Array) -> Any:
        with _x64(x64):
            return np.asarray(_of_batch(energies_of(padded(x)), padded(x)))[: len(x)]

    def action_and_force(x: Array) -> tuple[Any, Any]:
        with _x64(x64):
            gradient, energies = gradient_of(padded(x))
            return np.asarray(_of_batch(energies, padded(x)))[: len(x)], -np.asarray(gradient)[: len(x)]

    return Target(dof, action_and_force, action=action, domain=domain, symmetries=symmetries, shape=shape, check=check, name=_name_of(energy) if name is None else name)


@contextmanager
def _x64(is_wanted: bool) -> Iterator[None]:
    jax: Any = importlib.import_module("jax")
    enable = jax.enable_x64 if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental").enable_x64
    if not is_wanted:
        yield
    else:
        with enable(True):
            yield


class Checked(NamedTuple):
    """A comparison of force and action that agree."""

    derivatives: int
    """Derivatives that were compared."""
    not_finite: int
    """How many of them aren't finite, so that there was nothing to compare."""
    largest: float
    """The largest difference, as a part of what is tolerated: 1e-4 of the larger, and round-off; of a symmetry, 1e-5 of the action."""


def check_target(
    target: TargetSpec | str,
    flow: FlowSpec | str | None = None,
    *,
    points: npt.ArrayLike | None = None,
    samples: int = 16,
    seed: int = 1,
) -> Checked:
    """Compares the force of a target with central differences of its action, along up to 16 axes and a direction of all, at each of some points;
    and the symmetries that a :class:`Target` says it has with its action.

    :param target: one of one's own, or any other.
    :param flow: the points are samples of its base; without, standard normal numbers, or uniform angles.
    :param points: the points themselves, shape ``[points, dof]``.
    :param samples: how many points are drawn.

    Raises :class:`upg.ConfigError` with the component of the force, the sample, both numbers, and whether the sign is the wrong one;
    :class:`upg.TargetError` with a symmetry that the action doesn't have; and what the target's function raises.
    """
    import numpy as np

    told = ron(target)
    config = None if flow is None else f"(flow: {ron(flow)}, target: {told})"
    array = None if points is None else np.atleast_2d(real64("points", points))
    if array is not None and array.ndim != 2:
        raise ArgumentError(f"points of shape {list(array.shape)}: accepted is [points, dof]")
    if array is None and whole("samples", samples) == 0:
        raise ArgumentError("samples = 0: accepted is a whole number, at least 1")
    with using(target):
        derivatives, not_finite, largest, compared_at = _upg.check_target(told, config, array, samples, whole("seed", seed))
        if isinstance(target, Target):
            largest = max(largest, target.check_symmetries(compared_at))
    return Checked(derivatives, not_finite, largest)


@contextmanager
def using(target: object) -> Iterator[None]:
    """What is asked of upg meanwhile, in this thread, has that target, if it is one of one's own."""
    if not isinstance(target, Target):
        yield
        return
    _upg.enter_target(target)
    try:
        yield
    finally:
        _upg.leave_target()


def _of_module(path: str | os.PathLike[str], function: str, dof: int, has_differences: bool) -> Target:
    """The target of a function in a file, or the :class:`Target` of that name there."""
    path = Path(path)
    name = f"upg_target_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path}: accepted is a file that ends with .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    found = getattr(module, function, None)
    if found is None:
        raise ArgumentError(f"target.function = {function}: accepted is a function of {path}")
    if not isinstance(found, Target):
        return Target(dof, found, force="finite-differences" if has_differences else "given", name=function)
    if found._has_differences != has_differences:
        accepted = "FiniteDifferences" if found._has_differences else "Given"
        raise ArgumentError(f"target.force: accepted is {accepted}, as the target {found.name} says")
    return found


def _one_line(error: BaseException) -> str:
    """An exception in a line, with where it was raised."""
    told = " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames and not isinstance(error, TargetError) else ""
    return f"{type(error).__name__}{': ' if told else ''}{told}{where}"
