import os
import signal
from pathlib import Path

import pytest

from tests.one_core import stay_on_one_core

# What rich and typer take from the environment when they are imported: width, colour, whether they write to a
# terminal. GitHub's runners, for one, have typer colour errors that nobody sees.
_OF_A_TERMINAL = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "PY_COLORS", "GITHUB_ACTIONS")
for _name in (*_OF_A_TERMINAL, "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
    os.environ.pop(_name, None)
os.environ["TERM"] = "xterm-256color"
if "PYTEST_XDIST_WORKER" in os.environ:
    stay_on_one_core()
# Some tests start servers on this machine, which no proxy knows.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), "127.0.0.1", "localhost")))
# What a shell starts in the background ignores Ctrl-C, and so would the programs that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.small_bundles", "tests.compiled_bundles", "tests.tensorrt_model.fixtures"]

_FIRST = (
    "test_ray_workers",
    "test_trainer_resume",
    "test_run_killed",
    "test_engine_on_server",
    "test_end_to_end",
    "test_wheel",
    "test_on_gpu",
)
"""Files that are begun first: they take long and share nothing. At the end one process would do them all."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.stem not in _FIRST)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not Path("/proc/driver/nvidia").exists():
        pytest.skip("no NVIDIA driver")
