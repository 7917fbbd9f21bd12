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
    from torch._functorch.aot_autograd import aot_export_module

    model = SmallDecoder()
    use_kernels(model)
    # A device of which torch knows shapes alone, and which is no CPU.
    model, *tensors = (each.to("meta") for each in (model, *features()))
    program = torch.export.export(model, tuple(tensors))
    graph, _ = aot_export_module(program.module(), tensors, trace_joint=False)
    kernels = [dict(node.kwargs) for node in graph.graph.nodes if "triton" in str(node.target)]
    assert [kernel["tensors_to_clone"] for kernel in kernels] == [["volume"], ["sampled"]]
    # Rows times displacements; groups times tiles of 4 x 16.
    assert [kernel["grid"] for kernel in kernels] == [[(2 * 3 * 3, 1, 1)], [(2 * 2 * 2, 1, 1)]]
