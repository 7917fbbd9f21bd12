import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dinoflow_deploy.export.kernels.replacement import use_kernels
from dinoflow_deploy.train.model.correlation import local_correlation
from dinoflow_deploy.train.model.dysample import dysample
from tests.export.kernels.small_decoder import SmallDecoder, features
from tests.export.kernels.test_dysample import case

pytest.importorskip("triton")
needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch without CUDA")


@pytest.fixture(scope="module", autouse=True)
def operators() -> Any:
    from dinoflow_deploy.export.kernels import operators

    return operators


def test_the_operators_keep_to_torch_s_rules(operators: Any) -> None:
    # What torch makes of them when it compiles is looked at below.
    rules = ("test_schema", "test_autograd_registration", "test_faketensor")
    arguments = case((2, 4, 2, 3), 2, torch.float32)
    torch.library.opcheck(operators.dysample_operator, arguments, test_utils=rules)
    torch.library.opcheck(operators.correlation_operator, (*features(), 2), test_utils=rules)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_on_a_cpu_they_are_the_reference(dtype: torch.dtype) -> None:
    arguments = case((2, 4, 2, 3), 2, dtype)
    assert torch.equal(torch.ops.dinoflow.dysample(*arguments), dysample(*arguments))
    first, second = (each.to(dtype) for each in features())
    volume = torch.ops.dinoflow.local_correlation(first, second, 2)
    assert torch.equal(volume, local_correlation(first, second, 2))


def exported(model: SmallDecoder, arguments: tuple[Tensor, Tensor]) -> torch.export.ExportedProgram:
    height, width = torch.export.Dim("height", min=2, max=64), torch.export.Dim("width", min=2, max=64)
    return torch.export.export(model, arguments, dynamic_shapes=({2: height, 3: width},) * 2)


def test_an_exported_graph_has_them_for_any_size() -> None:
    model = SmallDecoder()
    use_kernels(model)
    program = exported(model, features())
    called = [str(node.target) for node in program.graph.nodes if "dinoflow" in str(node.target)]
    assert called == ["dinoflow.local_correlation.default", "dinoflow.dysample.default"]
    for size in ((2, 2), (7, 4)):
        assert torch.equal(program.module()(*features(*size))[0], model(*features(*size))[0])


@pytest.mark.usefixtures("hopper")
def test_the_compiler_finds_kernels_that_write_to_nothing_but_their_result() -> None:
    """What it takes for written, it copies first."""
    from torch._dynamo.backends.common import aot_autograd

    copied = []

    def look(graph: torch.fx.GraphModule, _: Any) -> Callable[..., Any]:
        copied.extend(node.kwargs.get("tensors_to_clone") for node in graph.graph.nodes if is_kernel(node))
        return graph.forward

    model = SmallDecoder()
    use_kernels(model)
    # A device of which torch knows shapes alone, and which is no CPU.
    model, *tensors = (each.to("meta") for each in (model, *features()))
    torch.compile(model, backend=aot_autograd(fw_compiler=look), dynamic=True)(*tensors)
    assert copied == [["volume"], ["sampled"]]


def is_kernel(node: torch.fx.Node) -> bool:
    return str(node.target).startswith("triton_kernel")


def kernels_of(run: Callable[[], Any]) -> list[str]:
    """Ours, in the order in which the GPU ran them."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    run()
    with torch.profiler.profile(activities=activities) as profiler:
        run()
        torch.cuda.synchronize()
    names = [event.name for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    return [name for name in names if re.match("(correlation|dysample)_kernel", name)]


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_compiled_on_a_gpu_they_are_the_same_kernels(dtype: torch.dtype) -> None:
    sampling = [each.cuda() if isinstance(each, Tensor) else each for each in case((2, 64, 9, 17), 4, dtype)]
    correlated = [each.to("cuda", dtype) for each in features(28, 64)]

    def both() -> tuple[Tensor, Tensor]:
        volume = torch.ops.dinoflow.local_correlation(*correlated, 4)
        return volume, torch.ops.dinoflow.dysample(*sampling)

    compiled = torch.compile(both, fullgraph=True)
    for found, expected in zip(compiled(), both(), strict=True):
        # Products may be fused with sums in one and not in the other.
        torch.testing.assert_close(found, expected)
    assert len(kernels_of(compiled)) == 2


@pytest.mark.gpu
@needs_cuda
def test_a_package_carries_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    model = SmallDecoder().to("cuda").to(memory_format=torch.channels_last)
    sizes = [tuple(each.cuda() for each in features(*size)) for size in ((28, 64), (5, 33))]
    expected = [model(*arguments)[0] for arguments in sizes]
    use_kernels(model)
    program = exported(model, sizes[0])
    path = torch._inductor.aoti_compile_and_package(program, package_path=str(tmp_path / "model.pt2"))
    packaged = torch._inductor.aoti_load_package(path)
    for arguments, flow in zip(sizes, expected, strict=True):
        torch.testing.assert_close(packaged(*arguments)[0], flow, rtol=0, atol=1e-3)
    assert len(kernels_of(lambda: packaged(*sizes[0]))) == 2


@pytest.mark.gpu
@needs_cuda
@pytest.mark.skipif(shutil.which("compute-sanitizer") is None, reason="compute-sanitizer is not installed")
@pytest.mark.parametrize("tool", ["memcheck", "racecheck", "initcheck"])
def test_the_sanitizer_finds_nothing(tool: str) -> None:
    code = (
        "import torch\n"
        "from dinoflow_deploy.export.kernels import correlation, dysample\n"
        "from tests.export.kernels.test_correlation import features\n"
        "from tests.export.kernels.test_dysample import case\n"
        "cuda = lambda values: [each.cuda() if hasattr(each, 'cuda') else each for each in values]\n"
        "for dtype in (torch.float32, torch.bfloat16):\n"
        "    for shape in ((2, 12, 3, 5), (1, 256, 9, 17)):\n"
        "        dysample.launch(*cuda(case(shape, 4, dtype)))\n"
        "        correlation.launch(*cuda(features(shape, dtype)), 4)\n"
        "torch.cuda.synchronize()\n"
    )
    command = ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", sys.executable, "-c", code]
    # Each tensor gets memory of its own, where else one large piece would hide what lies between them.
    environment = os.environ | {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}
    root = Path(__file__).parents[3]
    done = subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
