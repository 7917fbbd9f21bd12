"""Variants that fail while others take turns, without a model."""

import json
from argparse import Namespace
from pathlib import Path

import pytest
import torch

from dinoflow_deploy.errors import EngineError

LOADED = {"start_seconds": 1.0, "memory_bytes": None, "difference": 0.0, "kernels": None}


class FakeWorker:
    """Answers as a process would; some variants fail when they are loaded, or in a turn."""

    def __init__(self, name: str, *_: object) -> None:
        self.name, self.turns = name, 0

    def call(self, method: str, *_: object) -> object:
        if method == "load":
            if self.name == "compile-bf16":
                raise EngineError("CUDA failure 901")
            return dict(LOADED)
        self.turns += 1
        if self.name == "eager-bf16" and self.turns == 3:
            raise EngineError("the process died of SIGSEGV")
        return [0.001 * self.turns] * 2, 500.0

    def kill(self) -> None:
        pass


class FakeAside:
    def run(self, function, *arguments: object) -> object:
        if function.__name__ == "part_milliseconds":
            return {"ms": {"the rest": 1.0}}
        return None


def measure(output: Path) -> None:
    import gpu_speed
    from recording import Record

    variants = ["eager-fp32", "compile-bf16", "eager-bf16"]
    arguments = Namespace(output=output, model="nano", variants=variants, rounds=3, seconds=0.0)
    known = {"ceilings": {"fp32": 1000, "bf16": 2000, "bandwidth": 1000}, "results": [], "parts": []}
    with Record(arguments, gpu_speed.show, gpu_speed.figures, **known) as record:
        device, size = torch.device("cpu"), (64, 80)
        gpu_speed.Measurement(size, output.parent / "w", device, arguments, record, FakeAside()).run()


def test_the_others_go_on_and_a_failure_has_its_reason(monkeypatch, tmp_path, capsys):
    import gpu_speed

    monkeypatch.setattr(gpu_speed, "WorkerProcess", FakeWorker)
    monkeypatch.setattr(gpu_speed, "count_work", lambda *_: {"the rest": {"operations": 8, "bytes": 1}})
    with pytest.raises(SystemExit, match="2 failed"):
        measure(tmp_path / "record.json")
    results = json.loads((tmp_path / "record.json").read_text())
    good, unloaded, broken = results["results"]
    # The turn after loading counts only until there is a round.
    assert good["latency_ms"] == {"median": 3.0, "min": 2.0, "max": 4.0}
    assert (good["rounds"], good["floor_ms"]) == (3, 8.0)
    assert unloaded["failed"] == "CUDA failure 901"
    assert (broken["failed"], broken["rounds"], broken["floor_ms"]) == ("the process died of SIGSEGV", 1, 4.0)
    printed = capsys.readouterr().out
    assert "failed: CUDA failure 901 |" in printed
    assert results["parts"][0]["floor_ms"] == {"the rest": 4.0}
    assert results["figures"][0] == ["64x80 eager-fp32", "3.00 ms, floor 8.00, 500 pairs/s, 3 rounds"]
    assert results["figures"][2] == ["64x80 eager-bf16", "failed: the process died of SIGSEGV"]
