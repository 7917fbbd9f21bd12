import json
from pathlib import Path
from typing import Any

import pytest

from dinoflow_deploy.engines.base import EngineDescription
from dinoflow_deploy.engines.memory_estimate import estimated_memory, memory_rule
from dinoflow_deploy.models.registry import MODELS
from tests.small_bundles import DYNAMIC

RECORDS = (Path(__file__).parents[2] / "benchmarks" / "results").glob("pair_memory*.json")
MEASURED = [found for record in RECORDS for found in json.loads(record.read_text())["results"]]


def described(model: str, backend: str = "onnxruntime") -> EngineDescription:
    return EngineDescription(model, backend, "cpu", "", "fp32", "bundle", DYNAMIC)


def test_every_rule_was_measured() -> None:
    assert {(found["model"], found["backend"]) for found in MEASURED} == {
        (name, backend) for name, model in MODELS.items() for backend in model.memory
    }


@pytest.mark.parametrize(
    "found",
    MEASURED,
    ids=lambda found: "-".join(str(found[name]) for name in ("model", "backend", "size", "batch")),
)
def test_the_rules_give_what_was_measured(found: dict[str, Any]) -> None:
    rule = memory_rule(found["model"], found["backend"])
    assert rule is not None
    share = found["growth_bytes"] / rule.bytes_for(*found["size"], found["batch"])
    if found["backend"] == "onnxruntime":
        assert share == pytest.approx(1, abs=0.12)
    else:
        # What is freed in pieces is not all given back; small frames take what loading has freed. Of large
        # ones, never less than the share of the estimate that decides whether frames are refused.
        least, most = (0.9, 1.5) if found["size"][0] > 256 else (0.5, 2.2)
        assert least <= share < most


def test_frames_count_as_the_engine_pads_them() -> None:
    nano = described("nano")
    assert estimated_memory(nano, 1080, 1910) == estimated_memory(nano, 1088, 1920)
    assert estimated_memory(described("nano", "pytorch"), 1088, 1920) == 635 * 1088 * 1920
