"""A raw graph made small and plain: what is constant computed, what is unused or double removed."""

from typing import Final

import onnx_ir
from onnx_ir.passes import common
from onnxscript import optimizer

_SHARED_ELEMENTS: Final = 16
"""Larger constants keep a name of their own, so that weights can be told apart."""


def simplify(model: onnx_ir.Model) -> None:
    """Fold constants and remove what nobody reads, in place.

    Patterns are not searched for: BatchNorm is folded and weights are cast before tracing.
    """
    # The second round folds what became constant in the first.
    for _ in range(2):
        optimizer.fold_constants(model)
        _ROUND(model)


_ROUND: Final = onnx_ir.passes.Sequential(
    common.RemoveUnusedNodesPass(),
    common.IdentityEliminationPass(),
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
    common.DeduplicateInitializersPass(size_limit=_SHARED_ELEMENTS),
    common.CommonSubexpressionEliminationPass(),
    common.RemoveUnusedNodesPass(),
    common.RemoveUnusedOpsetsPass(),
)
