"""Flows of upg as modules of PyTorch, by the formulas of docs/WEIGHTS.md; PyTorch is imported with this package and not before.

Every parameter has the name that it has in a weights file, so the ``state_dict()`` of a :class:`Flow` is what a weights file holds.
"""

from .flow import Flow, made

__all__ = ["Flow", "made"]
