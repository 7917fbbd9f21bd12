"""The processor: its name, and what it can compute that others of its architecture cannot."""

import platform
import re
import subprocess
from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")
_OF_COMPUTING: Final = re.compile(r"avx|amx|fma|f16c|bmi|gfni|vaes|vpclmulqdq|sse4a")
"""What the names of x86's extensions begin with that a compiler uses by itself; of Arm's all are recorded."""


def processor_name() -> str:
    """What it is called, for instance ``"AMD EPYC 9654"``."""
    # x86 names its processor there; Arm does not, and lscpu knows its part numbers.
    named = re.search(r"^model name\s*:\s*(.+)$", _CPUINFO.read_text(), re.MULTILINE)
    if named:
        return named[1]
    try:
        listed = subprocess.run(["lscpu"], capture_output=True, text=True, check=True, timeout=30).stdout
    except (OSError, subprocess.SubprocessError):
        return platform.machine()
    named = re.search(r"^\s*Model name:\s*(.+)$", listed, re.MULTILINE)
    return named[1] if named else platform.machine()


def extensions() -> tuple[str, ...]:
    """The extensions of its instruction set that code compiled for it may use, as Linux names them, sorted.

    Code that uses one is ended by the system where there is none.
    """
    # x86 says flags, Arm Features; every core has its own line, all alike.
    found = re.search(r"^(flags|Features)\s*:(.*)$", _CPUINFO.read_text(), re.MULTILINE)
    if found is None:
        return ()
    names = found[2].split()
    return tuple(sorted(name for name in names if found[1] == "Features" or _OF_COMPUTING.match(name)))
