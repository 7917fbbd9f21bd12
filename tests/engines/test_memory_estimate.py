import pytest

from dinoflow_deploy.engines.base import EngineDescription
from dinoflow_deploy.engines.memory_estimate import estimated_memory
from tests.engines.conftest import DYNAMIC

# MiB by which a process grew over two pairs.
MEASURED = {
    ("nano", 256, 256): 31,
    ("nano", 448, 1024): 209,
    ("nano", 544, 960): 254,
    ("nano", 720, 1280): 525,
    ("nano", 1088, 1920): 2310,
    ("vits16", 448, 1024): 1323,
    ("vits16", 720, 1280): 2731,
}


def described(model: str) -> EngineDescription:
    return EngineDescription(model, "onnxruntime", "cpu", "CPUExecutionProvider", "fp32", "bundle", DYNAMIC)


@pytest.mark.parametrize(("model", "height", "width"), MEASURED)
def test_the_rules_give_what_was_measured(model: str, height: int, width: int) -> None:
    measured = MEASURED[model, height, width] * 2**20
    assert estimated_memory(described(model), height, width) == pytest.approx(measured, rel=0.1)


def test_frames_count_as_the_engine_pads_them() -> None:
    nano = described("nano")
    assert estimated_memory(nano, 1080, 1910) == estimated_memory(nano, 1088, 1920)
