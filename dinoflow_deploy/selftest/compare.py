"""Compare an engine with PyTorch in float32 on the CPU, in a process that may die.

``python -m dinoflow_deploy.selftest.compare SOURCE BACKEND DEVICE PRECISION WEIGHTS`` prints the parity as
JSON; ``PRECISION`` sets the tolerance, and is what PyTorch computes in.
"""

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dinoflow_deploy.engines.bundle import Parity
from dinoflow_deploy.engines.json_fields import from_json
from dinoflow_deploy.errors import DinoFlowError, EngineError


def compare(source: Path, backend: str, device: str, precision: str, weights: Path) -> Parity:
    """End-point difference of an engine's flow to PyTorch's.

    Args:
        source: What ``load_engine`` takes.
        backend: Its backend.
        device: Its device.
        precision: What it computes in.
        weights: The model that it was exported from.

    Raises:
        EngineError: The difference is above the precision's tolerance, the engine does not load or run, or
            its process died.
    """
    arguments = (str(source), backend, device, precision, str(weights))
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


def _main(source: str, backend: str, device: str, precision: str, weights: str) -> None:
    from dinoflow_deploy.engines import load_engine
    from dinoflow_deploy.export.parity import verify
    from dinoflow_deploy.progress import NoProgress

    options: dict[str, Any] = {"precision": precision} if backend == "pytorch" else {}
    with (
        load_engine(source, backend, device, **options) as engine,
        load_engine(weights, "pytorch", "cpu") as reference,
    ):
        parity, _ = verify(engine, reference, precision, NoProgress())
    print("\n" + json.dumps(asdict(parity)))


if __name__ == "__main__":
    try:
        _main(*sys.argv[1:])
    except DinoFlowError as error:
        sys.exit(str(error))
