import shutil
from pathlib import Path

import pytest

from dinoflow_deploy.models.builtin import builtin_models

NANO = builtin_models()["nano"]


@pytest.fixture
def nano_bundle(tmp_path: Path) -> Path:
    """A copy of the built-in bundle, to damage."""
    return Path(shutil.copytree(NANO.bundle, tmp_path / "bundle"))
