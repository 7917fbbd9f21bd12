"""Forward passes of ONNX Runtime and of PyTorch's compiler, as the benchmarks run them."""

from pathlib import Path
from types import ModuleType
from typing import Any

import onnxruntime
import pytest
import torch

from dinoflow_deploy import load_engine
from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.engines.onnxruntime.providers import CUDA
from dinoflow_deploy.export import ExportOptions, export_bundle
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.train.model import load_model
from tests.benchmarks.test_scripts import SCRIPTS
from tests.compiled_bundles import SHAPE

Images = tuple[torch.Tensor, torch.Tensor]
NANO = builtin_models()["nano"]


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module ``forward_passes``, which imports its neighbours."""
    monkeypatch.syspath_prepend(SCRIPTS)
    import forward_passes

    return forward_passes


def make_images(height: int, width: int, device: str) -> Images:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 1, 3, height, width, generator=generator).to(device)
    return first, second


def test_the_first_run_waits_and_the_switch_is_for_replays_alone(
    passes: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU, where nothing is recorded: what each run is asked for."""
    variants, images = passes.VARIANTS, make_images(64, 80, "cpu")
    for name, expected in {
        "onnxruntime-fp32": [None, None, None],
        "onnxruntime-graph-fp32": [None, "1", "1"],
    }.items():
        passed = passes.OnnxRuntimePass(variants[name], NANO.bundle, images)
        asked: list[Any] = []
        run = passed._session.run_with_iobinding

        def note(binding: Any, options: Any, asked: list[Any] = asked, run: Any = run) -> None:
            key = "disable_synchronize_execution_providers"
            asked.append(options and options.get_run_config_entry(key))
            run(binding, options)

        monkeypatch.setattr(passed._session, "run_with_iobinding", note)
        for _ in range(3):
            passed.flow.fill_(torch.nan)
            passed.start()
            passed.wait()
            assert passed.flow.isfinite().all()
        assert asked == expected


@pytest.mark.slow
def test_a_package_computes_what_its_engine_does(passes: ModuleType, compiled_bundle: Path) -> None:
    first, second = torch.rand(2, *(SHAPE[0], 3, *SHAPE[1:])).unbind()
    passed = passes.open_pass(passes.VARIANTS["inductor-fp32"], compiled_bundle, (first, second))
    with load_engine(compiled_bundle, "inductor") as engine:
        for _ in range(2):
            # What the images hold may change between calls.
            first.copy_(torch.rand_like(first))
            passed.start()
            passed.wait()
            torch.testing.assert_close(passed.flow, engine.infer_device(first, second), rtol=0, atol=0)


@pytest.mark.gpu
@pytest.mark.skipif(CUDA not in onnxruntime.get_available_providers(), reason="onnxruntime without CUDA")
@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_a_cuda_graph_is_recorded_and_replayed(passes: ModuleType, precision: str, tmp_path: Path) -> None:
    """At a size where a run takes 0.44 MiB of pinned memory, of which ONNX Runtime begins with 1 MiB."""
    height, width = 1088, 1408
    inputs = InputRange(*map(AxisRange.fixed, (1, height, width)))
    options = ExportOptions(precision, inputs=inputs, verify=False)
    export_bundle(load_model(NANO.weights), tmp_path / "static", options)
    images = make_images(height, width, "cuda")
    plain, graph = (
        passes.OnnxRuntimePass(passes.VARIANTS[f"onnxruntime-{name}{precision}"], tmp_path / "static", images)
        for name in ("", "graph-")
    )
    for _ in range(3):
        for image in images:
            image.copy_(torch.rand_like(image))
        torch.cuda.synchronize()
        flows = []
        for passed in (plain, graph):
            passed.start()
            passed.wait()
            flows.append(passed.flow.clone())
        assert flows[0].std() > 0
        difference = (flows[0] - flows[1]).norm() / flows[0].norm()
        # Roundings of other algorithms, where cuDNN chose others for the other session.
        assert difference <= {"fp32": 1e-4, "fp16": 0.02}[precision]
