import subprocess
import sys

import pytest

from dinoflow_deploy import datasets


def test_importing_is_cheap_and_free_of_torch() -> None:
    code = (
        "import sys, dinoflow_deploy.datasets as datasets; assert 'cv2' not in sys.modules; "
        "import cv2; cv2.setNumThreads(3); datasets.SyntheticScenes; datasets.render_clip; "
        "assert cv2.getNumThreads() == 3; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_all_names_load() -> None:
    for name in datasets.__all__:
        assert getattr(datasets, name).__name__ == name


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = datasets.Nothing
