from pathlib import Path

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not Path("/proc/driver/nvidia").exists():
        pytest.skip("no NVIDIA driver")
