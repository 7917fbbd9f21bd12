"""Call what may hang or crash in a process of its own: drivers, CUDA libraries, TensorRT, windows.

``python -m dinoflow_deploy.system.own_process MODULE:FUNCTION [ARGUMENT]...`` prints what the function
returned, or the error that it raised, as JSON on a line of its own.
"""

import json
import subprocess
import sys
from importlib import import_module
from typing import Any, Final

SECONDS: Final = 120
"""How long an answer is waited for."""
_MARK: Final = "answer: "
"""What the line of the answer begins with."""


def call_in_own_process(function: str, *arguments: str, patient: bool = False) -> tuple[Any, str | None]:
    """Call a function in a process of its own.

    Args:
        function: ``"module:function"``; what it returns has a form in JSON.
        arguments: What it takes.
        patient: Whether to wait as long as it takes, for work that may be long; else ``SECONDS``.

    Returns:
        What it returned, and ``None``; or ``None``, and why there is no answer: it raised, ended its process,
        or took too long.
    """
    command = [sys.executable, "-m", __name__, function, *arguments]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=None if patient else SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {SECONDS} s"
    if done.returncode:
        return None, f"the process ended with code {done.returncode}: {done.stderr.strip()[-200:]}"
    # Libraries may print before it, and as they are unloaded.
    lines = [line for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if not lines:
        return None, "the process ended without an answer"
    answer, problem = json.loads(lines[-1].removeprefix(_MARK))
    return answer, problem


def _main(function: str, *arguments: str) -> None:
    module, name = function.split(":")
    answer, problem = None, None
    try:
        answer = getattr(import_module(module), name)(*arguments)
    except Exception as error:  # whatever a broken installation raises is what is to be reported
        problem = " ".join(str(error).split()) or type(error).__name__
    print(f"\n{_MARK}{json.dumps([answer, problem])}")


if __name__ == "__main__":
    _main(*sys.argv[1:])
