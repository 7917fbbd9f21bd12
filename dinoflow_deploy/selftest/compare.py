"""Compare an engine with PyTorch in float32 on the CPU, in a process that may die.

``python -m dinoflow_deploy.selftest.compare SOURCE PRECISION WEIGHTS`` prints the parity as JSON; ``SOURCE``
is an ``EngineSource`` as JSON, and ``PRECISION`` sets the tolerance.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from dinoflow_deploy.bench.engine_process import EngineSource
from dinoflow_deploy.bundles.json_fields import from_json
from dinoflow_deploy.bundles.parity import Parity
from dinoflow_deploy.errors import DinoFlowError, EngineError


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
    command = [sys.executable, "-m", "dinoflow_deploy.selftest.compare", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise EngineError(
            said[-500:] if done.returncode == 1 else f"exit code {done.returncode}: {said[-300:]}"
        )
    # Libraries may print before; the answer is the last line.
    parity: Parity = from_json(Parity, json.loads(done.stdout.splitlines()[-1]), "parity")
    return parity


def _main(source: str, precision: str, weights: str) -> None:
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
    print("\n" + json.dumps(asdict(parity)))


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except DinoFlowError as error:
        sys.exit(str(error))
