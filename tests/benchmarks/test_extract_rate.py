import json
import signal
import sys

import pytest

from dinoflow_deploy.extract import run
from tests.extract.conftest import Here

pytestmark = pytest.mark.slow


def test_its_record_is_what_was_measured(tmp_path, monkeypatch, capsys, write_onnx) -> None:
    """Workers compute in this process; how processes do it is tested elsewhere."""
    import extract_rate

    heard = signal.getsignal(signal.SIGTERM)

    monkeypatch.setattr(run, "make_workers", lambda settings, workers, ray: Here(settings))
    tiny = ["--size", "64x80", "--frames", "3", "--clips", "2", "--short-clips", "3", "--rounds", "2"]
    model = ["--model", str(write_onnx()), "--backend", "onnxruntime", "--device", "cpu", "--workers", "1"]
    output = tmp_path / "record.json"
    monkeypatch.setattr(sys, "argv", ["extract_rate.py", *tiny, *model, "--output", str(output)])
    try:
        extract_rate.main()
    finally:
        signal.signal(signal.SIGTERM, heard)
    record = json.loads(output.read_text())
    found = record["one_worker"]
    assert set(found["ratio"]) == {"median", "min", "max"}
    assert 0 < found["ratio"]["min"] <= found["ratio"]["max"]
    assert record["limit_pairs_per_second"]["min"] > 0
    assert [way["way"] for way in record["whole"]] == ["a loop over video", "extract, 1 worker(s)"]
    assert all(way["clips_per_second"] == pytest.approx(2 / way["seconds"]) for way in record["whole"])
    assert all(way["pairs_per_second"] == 2 * way["clips_per_second"] for way in record["whole"])
    assert record["short_clip_ms"] > 0
    printed = capsys.readouterr().out
    assert "| extract, 1 worker " in printed
    assert "| an engine that costs nothing " in printed
    assert "| a clip of one tiny pair " in printed
