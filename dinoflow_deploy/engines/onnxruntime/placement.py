"""Whether a session computes where it was asked to."""

import importlib
from pathlib import Path
from typing import Any

from dinoflow_deploy.engines.onnxruntime.packages import require_onnx


def nodes_elsewhere(session: Any, provider: str, model: Path) -> list[str]:
    """Nodes that a session computes outside the provider it was asked to use, and that matter.

    ONNX Runtime puts arithmetic on shapes on the CPU on purpose, where sizes live:
    ``shape_arithmetic`` tells it from work on images.

    Args:
        session: Made with the entry ``session.record_ep_graph_assignment_info`` set.
        provider: Where every node should be.
        model: The ONNX file that the session was made of.

    Returns:
        ``"GridSample 'upsample/grid'"``, one string for each node.

    Raises:
        MissingPackageError: Nodes are elsewhere, and ``onnx``, which tells what they compute, is missing.
    """
    elsewhere = [
        (node.op_type, node.name)
        for subgraph in session.get_provider_graph_assignment_info()
        if subgraph.ep_name != provider
        for node in subgraph.get_nodes()
    ]
    if not elsewhere:
        return []
    require_onnx(f"telling what is computed outside {provider}")
    module = importlib.import_module("dinoflow_deploy.engines.onnxruntime.shape_arithmetic")
    harmless = module.shape_arithmetic(model)
    return [f"{operator} '{name}'" for operator, name in elsewhere if (operator, name) not in harmless]
