"""Accuracy and speed through any engine. No torch.

Heavy modules load when a name is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dinoflow_deploy.bench.evaluation import EvaluationOptions, evaluate
    from dinoflow_deploy.bench.published import PUBLISHED, PublishedResult
    from dinoflow_deploy.bench.results import BenchResult, DatasetResult, read_result, write_result
    from dinoflow_deploy.bench.state import EvaluationState

__all__ = [
    "PUBLISHED",
    "BenchResult",
    "DatasetResult",
    "EvaluationOptions",
    "EvaluationState",
    "PublishedResult",
    "evaluate",
    "read_result",
    "write_result",
]

_HOMES = {
    "PUBLISHED": "published",
    "BenchResult": "results",
    "DatasetResult": "results",
    "EvaluationOptions": "evaluation",
    "EvaluationState": "state",
    "PublishedResult": "published",
    "evaluate": "evaluation",
    "read_result": "results",
    "write_result": "results",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
