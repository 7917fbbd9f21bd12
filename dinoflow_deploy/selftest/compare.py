"""Compare an engine with PyTorch in float32 on the CPU, in a process that may die."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dinoflow_deploy.bench.engine_process import EngineSource
from dinoflow_deploy.bundles.parity import Parity
from dinoflow_deploy.errors import EngineError
from dinoflow_deploy.system.dataclass_reader import from_json
from dinoflow_deploy.system.own_process import call_in_own_process


def compare(source: EngineSource, precision: str, weights: Path) -> Parity:
    """End-point difference of an engine's flow to PyTorch's.

    Args:
        source: The engine.
        precision: What it computes in.
        weights: The model that it was exported from.

    Raises:
        EngineError: The difference is above the precision's tolerance, the engine does not load or run, or
            its process died.
    """
    arguments = (json.dumps(asdict(source)), precision, str(weights))
    answer, problem = call_in_own_process(f"{__name__}:parity_as_json", *arguments, patient=True)
    if problem is not None:
        raise EngineError(problem)
    return from_json(Parity, answer, "parity")


def parity_as_json(source: str, precision: str, weights: str) -> dict[str, Any]:
    """What ``compare`` gives, as JSON values.

    Args:
        source: An ``EngineSource`` as JSON.
        precision: Sets the tolerance.
        weights: Path of the model.

    Raises:
        EngineError: The difference is above the tolerance, or an engine does not load or run.
    """
    from dinoflow_deploy.engines import load_engine
    from dinoflow_deploy.export.parity import verify
    from dinoflow_deploy.progress import NoProgress

    with (
        EngineSource(**json.loads(source)).load() as engine,
        load_engine(weights, "pytorch", "cpu") as reference,
    ):
        inputs = engine.describe().inputs
        # A CUDA graph is recorded by the first run and replayed by those that are compared.
        engine.warm_up(inputs.height.opt, inputs.width.opt, inputs.batch.opt)
        parity, _ = verify(engine, reference, precision, NoProgress())
    return asdict(parity)
