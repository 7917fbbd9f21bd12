"""Call what may hang or crash in a process of its own: drivers, CUDA libraries, TensorRT, windows.

``python -m dinoflow_deploy.system.own_process MODULE:FUNCTION [ARGUMENT]...`` prints what the function
returned, or the error that it raised, as JSON on a line of its own.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from tempfile import TemporaryFile
from threading import Event, Thread
from typing import IO, Any, Final

SECONDS: Final = 120
"""How long an answer is waited for."""
_MARK: Final = "answer: "
"""What the line of the answer begins with."""
_LEASHED: Final = "--leashed"
"""First argument of a process that ends, with all that it started, when its standard input does."""
_PERIOD: Final = 0.1
"""Seconds between two looks at whether to go on."""


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
    return _answer(done.returncode, done.stdout, done.stderr)


def call_until(
    cancel: Event, function: str, *arguments: str, environment: Mapping[str, str]
) -> tuple[Any, str | None]:
    """Call a function in a process of its own, which starts further ones, until it is done or cancelled.

    On Ctrl-C, when cancelled, and when this process dies, however it does, all of them are ended at once.

    Args:
        cancel: Ends it when it is set.
        function: As of ``call_in_own_process``.
        arguments: Likewise.
        environment: Variables beside those of this process.

    Returns:
        As ``call_in_own_process``; that it was ended is no answer either.
    """
    # Not pipes, which nobody would empty while this one waits.
    with TemporaryFile() as output, TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, _LEASHED, function, *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=errors,
            env=os.environ | environment,
            start_new_session=True,
        )
        try:
            while process.poll() is None and not cancel.is_set():
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_PERIOD)
        finally:
            # Whatever it has started is of its session.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        return _answer(process.returncode, *map(_content, (output, errors)))


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _answer(code: int, output: str, errors: str) -> tuple[Any, str | None]:
    if code:
        return None, f"the process ended with code {code}: {errors.strip()[-200:]}"
    # Libraries may print before it, and as they are unloaded.
    lines = [line for line in output.splitlines() if line.startswith(_MARK)]
    if not lines:
        return None, "the process ended without an answer"
    answer, problem = json.loads(lines[-1].removeprefix(_MARK))
    return answer, problem


def _main(*words: str) -> None:
    if words[0] == _LEASHED:
        words = words[1:]
        Thread(target=_end_with_input, daemon=True).start()
    function, *arguments = words
    module, name = function.split(":")
    answer, problem = None, None
    try:
        answer = getattr(import_module(module), name)(*arguments)
    except Exception as error:  # whatever a broken installation raises is what is to be reported
        problem = " ".join(str(error).split()) or type(error).__name__
    print(f"\n{_MARK}{json.dumps([answer, problem])}")


def _end_with_input() -> None:
    # Not through sys.stdin, whose lock Python wants when it ends.
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    _main(*sys.argv[1:])
