"""Recording a run and replaying it, on the model."""

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest

from dinoflow_deploy.engines.tensorrt.cuda import Cuda
from dinoflow_deploy.engines.tensorrt.cuda_memory import DeviceMemory
from dinoflow_deploy.engines.tensorrt.cuda_stream import Stream
from dinoflow_deploy.engines.tensorrt.engine import TensorRTEngine
from dinoflow_deploy.errors import DeviceError, EngineError, InputError
from tests.engines.tensorrt.conftest import DYNAMIC, STATIC, WritePlan, expected
from tests.tensorrt_model.arrays import DeviceTensor
from tests.tensorrt_model.building import Profile
from tests.tensorrt_model.fixtures import Install, every_order
from tests.tensorrt_model.flavours import RTX
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT

pytestmark = every_order
MakeFrames = Callable[..., np.ndarray]
ONE_BATCH: Profile = ((1, 64, 64), (1, 96, 128), (1, 256, 256))
LARGER: Profile = ((1, 256, 256),) * 3


@pytest.fixture
def engine(trt: TensorRT, write_plan: WritePlan):
    with TensorRTEngine(write_plan(STATIC), cuda_graph=True) as made:
        yield made


def test_the_first_run_is_recorded_and_later_ones_replayed(
    engine: TensorRTEngine, machine: Machine, frames: MakeFrames
) -> None:
    for launches in range(4):
        first, second = frames(2, 90, 120, seed=launches)
        np.testing.assert_allclose(engine(first, second), expected(first, second), atol=1e-3)
        assert (machine.captures, machine.launches) == (1, launches)


def test_each_thread_has_a_graph_of_its_own(
    engine: TensorRTEngine, machine: Machine, trt: TensorRT, frames: MakeFrames
) -> None:
    pairs = [frames(2, 96, 128, seed=seed) for seed in range(24)]
    together = Barrier(4)

    def run(number: int) -> list[np.ndarray]:
        together.wait(timeout=60)
        return [engine(*pair) for pair in pairs[6 * number : 6 * number + 6]]

    with ThreadPoolExecutor(4) as pool:
        flows = [flow for some in pool.map(run, range(4)) for flow in some]
    for pair, flow in zip(pairs, flows, strict=True):
        np.testing.assert_allclose(flow, expected(*pair), atol=1e-3)
    assert machine.captures == trt.state.contexts
    assert machine.launches == len(pairs) - trt.state.contexts


def test_arrays_on_the_device_are_copied_to_where_the_graph_reads(
    engine: TensorRTEngine, machine: Machine
) -> None:
    for seed in range(3):
        first, second = (DeviceTensor.random(machine, (1, 3, 96, 128), seed + 10 * more) for more in (0, 1))
        flow = engine.infer_device(first, second)
        difference = 255 * (second.values - first.values)[:, :2]
        np.testing.assert_allclose(
            machine.floats(flow.address, difference.nbytes), difference.ravel(), atol=1e-3
        )
        for tensor in (first, second):
            tensor.free()
    assert machine.captures == 1
    del flow


@pytest.mark.parametrize("profiles", [[DYNAMIC], [ONE_BATCH], [STATIC, LARGER]])
def test_a_range_of_shapes_is_refused(trt: TensorRT, write_plan: WritePlan, profiles: list[Profile]) -> None:
    with pytest.raises(InputError, match=r"one fixed shape, and .*height \d+\.\.256.* --size HEIGHTxWIDTH"):
        TensorRTEngine(write_plan(*profiles), cuda_graph=True)


def test_what_cannot_be_recorded_is_said_and_nothing_kept(
    engine: TensorRTEngine, machine: Machine, frames: MakeFrames
) -> None:
    for function in ("cudaStreamBeginCapture", "cudaGraphInstantiate"):
        machine.fail = {function: "cudaErrorStreamCaptureInvalidated"}
        with pytest.raises(EngineError, match=rf"no CUDA graph: .*{function} gave .*; run it without"):
            engine(*frames(2, 96, 128))
        machine.fail = {}
        assert machine.leaks() == []


def test_tensorrt_that_fails_while_it_is_recorded_leaves_no_open_recording(
    engine: TensorRTEngine, trt: TensorRT, machine: Machine, frames: MakeFrames
) -> None:
    trt.state.fail["capture"] = "not permitted when stream is capturing"
    with pytest.raises(EngineError, match=r"no CUDA graph: TensorRT failed .* when stream is capturing"):
        engine(*frames(2, 96, 128))
    assert machine.leaks() == []
    # The thread is free to allocate again.
    assert not machine.is_capturing


def test_a_context_that_says_it_cannot_be_recorded(
    install_tensorrt: Install, machine: Machine, write_plan: WritePlan, frames: MakeFrames
) -> None:
    """TensorRT-RTX alone has this question."""
    machine.capabilities = ((8, 9),)
    rtx = install_tensorrt(RTX)
    rtx.state.fail["capture"] = "it was asked"
    plan = write_plan(STATIC, modelled=RTX, capability=(8, 9))
    with (
        TensorRTEngine(plan, cuda_graph=True) as engine,
        pytest.raises(DeviceError, match="without cuda_graph"),
    ):
        engine(*frames(2, 96, 128))


def test_nothing_is_recorded_without_being_asked(
    trt: TensorRT, machine: Machine, write_plan: WritePlan, frames: MakeFrames
) -> None:
    with TensorRTEngine(write_plan(STATIC)) as engine:
        engine(*frames(2, 96, 128))
    assert machine.captures == 0


class Cycle:
    """Memory that only the garbage collector gives back."""

    def __init__(self, memory: DeviceMemory) -> None:
        self.memory, self.itself = memory, self


def test_garbage_is_not_collected_while_a_run_is_recorded(trt: TensorRT, machine: Machine) -> None:
    """It would free memory, which CUDA refuses to a thread that records, and the recording would be lost."""
    cuda = Cuda("this test")
    stream = Stream(cuda)
    thresholds = gc.get_threshold()
    gc.set_threshold(100_000)
    Cycle(DeviceMemory(cuda, 64))

    def put() -> None:
        gc.set_threshold(1)
        assert [[each] for each in range(1000)]

    try:
        stream.capture(put).close()
    finally:
        gc.set_threshold(*thresholds)
    assert gc.isenabled()
    stream.close()
    gc.collect()
    assert machine.leaks() == []
