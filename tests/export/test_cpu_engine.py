"""What runs a bundle's ONNX file when it is verified."""

from dataclasses import replace

import numpy as np
import pytest

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.export import cpu_engine
from tests.small_bundles import WriteBundle, difference


def test_openvino_runs_what_it_can(write_bundle: WriteBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = Bundle.open(write_bundle())
    frames = np.random.default_rng(0).integers(0, 256, (2, 64, 80, 3), dtype=np.uint8)
    (flow,) = (engine(*frames) for engine in cpu_engine.further_engines(bundle))
    np.testing.assert_allclose(flow, difference(*frames), atol=1e-4)
    bf16 = Bundle(bundle.folder, replace(bundle.manifest, precision="bf16"))
    assert list(cpu_engine.further_engines(bf16)) == []
    monkeypatch.setattr(cpu_engine, "is_installed", lambda name: name != "openvino")
    assert list(cpu_engine.further_engines(bundle)) == []
