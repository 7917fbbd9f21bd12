"""The engine on the model, which computes a known flow and refuses what TensorRT and CUDA would."""

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from dinoflow_deploy.engines.tensorrt.cuda import Cuda
from dinoflow_deploy.engines.tensorrt.cuda_memory import Buffers
from dinoflow_deploy.engines.tensorrt.engine import TensorRTEngine
from dinoflow_deploy.errors import DeviceError, EngineError, FileFormatError, InputError
from tests.engines.tensorrt.conftest import DYNAMIC, PLAN_INPUTS, STATIC, WritePlan, expected
from tests.small_bundles import byte_model, difference, difference_model
from tests.tensorrt_model.building import Profile
from tests.tensorrt_model.context import IExecutionContext
from tests.tensorrt_model.cuda import CudaRuntime
from tests.tensorrt_model.fixtures import every_order
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT

MakeFrames = Callable[..., np.ndarray]
SMALL: Profile = ((1, 64, 64), (1, 64, 64), (4, 96, 128))
LARGE: Profile = ((1, 128, 128), (1, 128, 256), (2, 256, 256))


Shape = tuple[str | int, ...]


def with_output(
    element_type: int = TensorProto.FLOAT,
    shape: Shape = ("batch", 2, "height", "width"),
    *,
    mask: bool = False,
):
    """``difference_model`` with a flow of another type or shape, or with one more output."""
    model = difference_model(output="difference2")
    graph = model.graph
    source = "difference2" if shape[1] == 2 else "scaled"
    graph.node.append(helper.make_node("Cast", [source], ["flow"], to=element_type))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("flow", element_type, shape))
    if mask:
        graph.node.append(helper.make_node("Relu", ["scaled"], ["mask"]))
        graph.output.append(
            helper.make_tensor_value_info("mask", TensorProto.FLOAT, ("batch", 3, "height", "width"))
        )
    return model


@pytest.fixture
def engine(trt: TensorRT, write_plan: WritePlan):
    with TensorRTEngine(write_plan()) as made:
        yield made


@every_order
@pytest.mark.parametrize("size", [(64, 64), (50, 70), (96, 128), (250, 255), (16, 16)])
def test_the_flow_of_frames_of_any_size(engine: TensorRTEngine, frames: MakeFrames, size) -> None:
    first, second = frames(1, *size)[0], frames(1, *size, seed=1)[0]
    np.testing.assert_allclose(engine(first, second), expected(first, second), atol=1e-3)


@every_order
@pytest.mark.parametrize("pairs", [5, 9])
def test_a_batch_larger_than_the_plan_takes(engine: TensorRTEngine, frames: MakeFrames, pairs: int) -> None:
    first, second = frames(pairs, 80, 100), frames(pairs, 80, 100, seed=1)
    np.testing.assert_allclose(engine.batch(first, second), expected(first, second), atol=1e-3)


@every_order
def test_a_static_plan_pads_to_its_shape(trt: TensorRT, write_plan: WritePlan, frames: MakeFrames) -> None:
    first, second = frames(2, 50, 70)
    with TensorRTEngine(write_plan(STATIC)) as engine:
        assert str(engine.describe().inputs) == "batch 1, height 96, width 128"
        np.testing.assert_allclose(engine(first, second), expected(first, second), atol=1e-3)
        with pytest.raises(InputError, match=r"too large .* --size 112x128 --batch 1$"):
            engine(*frames(2, 97, 128))


@every_order
def test_results_belong_to_the_caller(engine: TensorRTEngine, frames: MakeFrames) -> None:
    pairs = [(frames(1, 64, 64, seed=seed)[0], frames(1, 64, 64, seed=seed + 50)[0]) for seed in range(3)]
    flows = [engine(*pair) for pair in pairs]
    prepared = engine.prepare(*(frame[np.newaxis] for frame in pairs[0]))
    raw = engine.infer(prepared)
    kept = raw.copy()
    engine.infer(engine.prepare(*(frame[np.newaxis] for frame in pairs[1])))
    np.testing.assert_array_equal(raw, kept)
    for pair, flow in zip(pairs, flows, strict=True):
        np.testing.assert_allclose(flow, expected(*pair), atol=1e-3)


@every_order
def test_memory_grows_with_the_frames_and_is_used_again(
    engine: TensorRTEngine, machine: Machine, frames: MakeFrames
) -> None:
    blocks = []
    for side in (64, 256, 64, 128, 256):
        first, second = frames(2, side, side, seed=side)
        np.testing.assert_allclose(engine(first, second), expected(first, second), atol=1e-3)
        blocks.append(len(machine.memory))
    # Three tensors, on the device and on the host.
    assert blocks == [6, 12, 12, 12, 12]
    assert len([each for each in machine.memory if each.alive]) == 6


def test_one_context_serves_one_thread(engine: TensorRTEngine, trt: TensorRT, frames: MakeFrames) -> None:
    for _ in range(3):
        engine(*frames(2, 64, 64))
    assert trt.state.contexts == 1


@every_order
def test_threads_do_not_disturb_each_other(engine: TensorRTEngine, trt: TensorRT, frames: MakeFrames) -> None:
    pairs = [
        (
            frames(1, 64 + 16 * (seed % 5), 64, seed=seed)[0],
            frames(1, 64 + 16 * (seed % 5), 64, seed=seed + 99)[0],
        )
        for seed in range(40)
    ]
    with ThreadPoolExecutor(8) as pool:
        flows = list(pool.map(lambda pair: engine(*pair), pairs))
    for pair, flow in zip(pairs, flows, strict=True):
        np.testing.assert_allclose(flow, expected(*pair), atol=1e-3)
    assert 1 <= trt.state.contexts <= 8


@every_order
def test_the_first_profile_that_holds_a_shape_is_taken(
    trt: TensorRT, write_plan: WritePlan, frames: MakeFrames, tmp_path: Path
) -> None:
    with TensorRTEngine(write_plan(SMALL, LARGE)) as engine:
        assert str(engine.describe().inputs) == "batch 1..4, height 64..256, width 64..256"
        for size in ((64, 64), (200, 256), (96, 128), (128, 128), (70, 70)):
            first, second = frames(2, *size, seed=size[0])
            np.testing.assert_allclose(engine(first, second), expected(first, second), atol=1e-3)
        with pytest.raises(InputError) as refused:
            engine(*frames(2, 64, 256))
        with pytest.raises(InputError, match="outside the plan's range"):
            engine.batch(*frames(6, 128, 128).reshape(2, 3, 128, 128, 3))
    assert str(refused.value) == (
        "1 pairs of 64x256 (height x width) are outside the plan's range: batch 1..4, height 64..96, width "
        "64..128 or batch 1..2, height 128..256, width 128..256. Resize the frames, or run: dinoflow-deploy "
        "export --model BUNDLE --target tensorrt --output NEW --min 64x64,1 --opt 64x64,1 --max 256x256,4"
    )


def test_of_profiles_that_overlap_the_first_is_taken(
    trt: TensorRT, write_plan: WritePlan, frames: MakeFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    switch = IExecutionContext.set_optimization_profile_async

    def switch_and_tell(self: IExecutionContext, profile_index: int, stream_handle: int) -> bool:
        taken.append(profile_index)
        return switch(self, profile_index, stream_handle)

    monkeypatch.setattr(IExecutionContext, "set_optimization_profile_async", switch_and_tell)
    with TensorRTEngine(write_plan(SMALL, DYNAMIC)) as engine:
        for size in ((64, 64), (96, 128), (112, 128), (96, 128)):
            engine(*frames(2, *size))
    # A context begins with profile 0.
    assert taken == [1, 0]


def test_frames_beyond_the_range_come_with_the_range_and_the_command(
    trt: TensorRT, write_planned: WritePlan, frames: MakeFrames
) -> None:
    folder = write_planned()
    with TensorRTEngine(folder) as engine, pytest.raises(InputError) as refused:
        engine(*frames(2, 64, 1000))
    assert "64x1000 pixels" in str(refused.value)
    assert "takes batch 1..4, height 64..256, width 64..256" in str(refused.value)
    assert str(refused.value).endswith(
        f"dinoflow-deploy export --model {folder} --target tensorrt --output NEW --min 64x64,1 "
        "--opt 96x128,1 --max 256x1008,4"
    )


def test_what_an_engine_says_of_itself(trt: TensorRT, write_planned: WritePlan, write_plan) -> None:
    folder = write_planned()
    with TensorRTEngine(folder, device="cuda") as engine:
        what = engine.describe()
    assert (what.model, what.backend, what.device) == ("difference", "tensorrt", "cuda")
    assert (what.provider, what.precision) == ("TensorRT 11.4.0.106", "fp16")
    assert what.source == str(folder / "tensorrt.plan")
    with TensorRTEngine(write_plan(STATIC), cuda_graph=True) as engine:
        assert engine.describe().provider == "TensorRT 11.4.0.106, CUDA graph"
        assert engine.describe().precision == "unknown"


@every_order
def test_another_gpu_is_used_and_the_threads_own_given_back(
    trt: TensorRT, machine: Machine, write_plan: WritePlan, frames: MakeFrames
) -> None:
    first, second = frames(2, 64, 64)
    with TensorRTEngine(write_plan(), device="cuda:1") as engine:
        assert engine.describe().device == "cuda:1"
        np.testing.assert_allclose(engine(first, second), expected(first, second), atol=1e-3)
        assert machine.current == 0
        used = {memory.device for memory in machine.memory} | {
            stream.device for handle, stream in machine.streams.items() if handle > 2
        }
        assert used == {1}
    assert machine.current == 0


@pytest.mark.parametrize(
    ("device", "message"),
    [("cpu", "NVIDIA GPUs only: use the device 'cuda'"), ("cuda:2", "no device 'cuda:2': CUDA finds 2")],
)
def test_a_device_that_cannot_be_had(trt: TensorRT, write_plan: WritePlan, device, message) -> None:
    with pytest.raises(DeviceError, match=message):
        TensorRTEngine(write_plan(), device=device)


def test_no_gpu_is_said(trt: TensorRT, machine: Machine, write_plan: WritePlan) -> None:
    machine.capabilities = ()
    with pytest.raises(DeviceError, match=r"needs an NVIDIA GPU and a driver .* cudaErrorNoDevice"):
        TensorRTEngine(write_plan())


@every_order
def test_a_failure_of_tensorrt_is_told_and_the_next_call_works(
    engine: TensorRTEngine, trt: TensorRT, machine: Machine, frames: MakeFrames
) -> None:
    first, second = frames(2, 64, 64)
    trt.state.fail["execute_async_v3"] = "a kernel could not be launched"
    with pytest.raises(EngineError, match=r"\(1, 3, 64, 64\): a kernel could not be launched"):
        engine(first, second)
    # What was made for the call went with it.
    assert trt.state.living == ["runtime", "engine"]
    assert machine.leaks() == []
    trt.state.fail.clear()
    np.testing.assert_allclose(engine(first, second), expected(first, second), atol=1e-3)


def test_a_failure_of_cuda_is_named(
    engine: TensorRTEngine, frames: MakeFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronize = CudaRuntime.cudaStreamSynchronize

    def synchronize_and_fail(self: CudaRuntime, handle: int) -> tuple[object, ...]:
        synchronize(self, handle)
        return (self.cudaError_t.cudaErrorIllegalAddress,)

    monkeypatch.setattr(CudaRuntime, "cudaStreamSynchronize", synchronize_and_fail)
    with pytest.raises(EngineError, match=r"cudaStreamSynchronize gave cudaErrorIllegalAddress .text of"):
        engine(*frames(2, 64, 64))


@every_order
def test_what_still_computes_is_waited_for_before_it_is_taken_down(
    engine: TensorRTEngine, machine: Machine, frames: MakeFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flow cannot be copied back while TensorRT is at work on it; the model counts what that destroys."""
    copy = CudaRuntime.cudaMemcpyAsync

    def only_to_the_device(self: CudaRuntime, target: int, *more: object) -> tuple[object, ...]:
        memory = machine.find(target, 4)
        if memory is not None and memory.kind == "pinned":
            return self.cudaError_t.cudaErrorInvalidValue, None
        return copy(self, target, *more)

    monkeypatch.setattr(CudaRuntime, "cudaMemcpyAsync", only_to_the_device)
    with pytest.raises(EngineError, match="cudaMemcpyAsync gave cudaErrorInvalidValue"):
        engine(*frames(2, 64, 64))
    assert machine.leaks() == []


@every_order
def test_memory_that_is_out_is_said_and_nothing_kept(
    engine: TensorRTEngine, trt: TensorRT, machine: Machine, frames: MakeFrames
) -> None:
    machine.free_bytes = 200_000
    with pytest.raises(EngineError, match=r"memory of the GPU is out: cudaMalloc gave .*smaller batch.*MiB"):
        engine(*frames(2, 128, 128))
    assert machine.leaks() == []
    machine.fail = {"cudaHostAlloc": "cudaErrorMemoryAllocation"}
    with pytest.raises(EngineError, match=r"page-locked memory of the host is out: cudaHostAlloc gave"):
        engine(*frames(2, 64, 64))
    assert machine.leaks() == []
    machine.fail = {}
    trt.state.fail["create_execution_context"] = "Requested amount of GPU memory is not there"
    with pytest.raises(EngineError, match=r"cannot make an execution context: Requested amount"):
        engine(*frames(2, 64, 64))


@every_order
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_a_plan_that_takes_bytes(
    trt: TensorRT, machine: Machine, write_plan: WritePlan, frames: MakeFrames, cuda_graph: bool
) -> None:
    path = write_plan(model=byte_model((2, 64, 96, 3)))
    with TensorRTEngine(path, cuda_graph=cuda_graph) as engine:
        for seed in (0, 2, 4):
            pair = frames(2, 50, 90, seed=seed), frames(2, 50, 90, seed=seed + 1)
            np.testing.assert_array_equal(engine.batch(*pair), difference(*pair))
    uploads = [each.size for each in machine.memory if each.kind == "device"]
    assert sorted(uploads) == [2 * 64 * 96 * 3] * 2 + [2 * 2 * 64 * 96 * 4]


def test_a_plan_with_a_range_takes_bytes(trt: TensorRT, write_plan: WritePlan, frames: MakeFrames) -> None:
    with TensorRTEngine(write_plan(model=byte_model())) as engine:
        assert engine.describe().inputs == PLAN_INPUTS
        for count, height, width in ((1, 64, 64), (3, 100, 250)):
            pair = frames(count, height, width), frames(count, height, width, seed=1)
            np.testing.assert_array_equal(engine.batch(*pair), difference(*pair))


@pytest.mark.parametrize("kind", ["device", "pinned"])
def test_memory_that_is_too_small_is_given_back_before_more_is_taken(
    trt: TensorRT, machine: Machine, kind: str
) -> None:
    buffers = Buffers(Cuda("this test"), "float32")
    getattr(buffers, kind)((64,))
    machine.free_bytes = 4 * (65 - 64)
    getattr(buffers, kind)((65,))
    assert machine.free_bytes == 0
    buffers.close()


def test_a_plan_that_makes_flow_of_another_size_is_refused_before_it_runs(
    trt: TensorRT, write_plan: WritePlan, frames: MakeFrames, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its flow would be written beyond the memory for it."""
    path = write_plan(model=with_output(shape=(1, 2, 128, 128)))
    monkeypatch.setattr(IExecutionContext, "execute_async_v3", lambda self, stream: pytest.fail("it ran"))
    with (
        TensorRTEngine(path) as engine,
        pytest.raises(
            EngineError, match=r"flow of \[1, 2, 128, 128\] from images of \[1, 3, 64, 64\], where"
        ),
    ):
        engine(*frames(2, 64, 64))


@every_order
def test_closing_gives_everything_back_in_order(
    trt: TensorRT, machine: Machine, write_plan: WritePlan, frames: MakeFrames
) -> None:
    engine = TensorRTEngine(write_plan())
    engine(*frames(2, 64, 64))
    assert machine.leaks()
    engine.close()
    engine.close()
    assert machine.leaks() == []
    assert trt.state.living == []
    with pytest.raises(EngineError, match="closed"):
        engine(*frames(2, 64, 64))


@every_order
def test_an_engine_that_is_forgotten_keeps_nothing(
    trt: TensorRT, machine: Machine, write_plan: WritePlan, frames: MakeFrames
) -> None:
    engine = TensorRTEngine(write_plan())
    engine(*frames(2, 64, 64))
    del engine
    gc.collect()
    assert machine.leaks() == []
    assert trt.state.living == []


AS_INPUT = {"image1": ("INPUT", "FLOAT", (-1, 3, -1, -1)), "image2": ("INPUT", "FLOAT", (-1, 3, -1, -1))}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model": difference_model(element_type=TensorProto.FLOAT16)},
            "image1 as input of type HALF: it must be input of type FLOAT",
        ),
        ({"model": with_output(TensorProto.BFLOAT16)}, "flow as output of type BF16"),
        (
            {"tensors": AS_INPUT | {"flow": ("INPUT", "FLOAT", (-1, 2, -1, -1))}},
            "flow as input of type FLOAT: it must be output",
        ),
        (
            {"model": with_output(shape=("batch", 3, "height", "width"))},
            r"flow of shape \[-1, 3, -1, -1\]: it must be \[batch, 2,",
        ),
        ({"model": with_output(mask=True)}, "its tensors are image1, image2, flow, mask"),
    ],
)
def test_another_model_is_refused(trt: TensorRT, write_plan: WritePlan, change, message: str) -> None:
    with pytest.raises(FileFormatError, match=message):
        TensorRTEngine(write_plan(**change))
