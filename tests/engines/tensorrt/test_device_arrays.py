"""Arrays on the device, in and out, on the model."""

import ctypes
import gc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dinoflow_deploy.engines.tensorrt.dlpack import CUDA, CUDA_MANAGED, _tensor_in, read_capsule
from dinoflow_deploy.engines.tensorrt.engine import TensorRTEngine
from dinoflow_deploy.errors import EngineError, InputError
from tests.engines.tensorrt.conftest import WritePlan
from tests.small_bundles import byte_model, difference
from tests.tensorrt_model.arrays import CudaArray, DeviceTensor, DlpackTensor
from tests.tensorrt_model.cuda import CudaRuntime
from tests.tensorrt_model.fixtures import every_order
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT

pytestmark = every_order
Make = Callable[..., DeviceTensor]
SHAPE = (2, 3, 96, 128)


@pytest.fixture
def engine(trt: TensorRT, write_plan: WritePlan):
    with TensorRTEngine(write_plan()) as made:
        yield made


@pytest.fixture
def tensor(machine: Machine, engine: TensorRTEngine):
    """Make arrays, which are freed at the end."""
    made: list[DeviceTensor] = []

    def make(
        shape=SHAPE, seed: int = 0, kind: type[DeviceTensor] = DeviceTensor, **more: Any
    ) -> DeviceTensor:
        made.append(kind.random(machine, shape, seed))
        return made[-1]

    yield make
    for each in made:
        each.free()


def flow_of(first: DeviceTensor, second: DeviceTensor) -> np.ndarray:
    return 255 * (second.values - first.values)[:, :2]


def read(machine: Machine, array: Any) -> np.ndarray:
    said = array.__cuda_array_interface__
    return machine.floats(said["data"][0], 4 * int(np.prod(said["shape"]))).reshape(said["shape"]).copy()


class ManagedTensor(DlpackTensor):
    """Memory that moves between host and device, whose device DLPack does not number."""

    def __dlpack_device__(self) -> tuple[int, int]:
        return CUDA_MANAGED, 7


@pytest.mark.parametrize("kind", [DeviceTensor, DlpackTensor, CudaArray, ManagedTensor])
def test_images_of_either_protocol_are_waited_for(
    engine: TensorRTEngine, machine: Machine, tensor: Make, kind: type[DeviceTensor]
) -> None:
    first, second = tensor(seed=1, kind=kind), tensor(seed=2, kind=kind)
    if machine.schedule.order == "late":
        assert np.isnan(first.read()).all(), "its library has not written it yet"
    flow = engine.infer_device(first, second)
    assert flow.shape == (2, 2, 96, 128)
    np.testing.assert_allclose(read(machine, flow), flow_of(first, second), atol=1e-3)


def test_a_temporary_that_a_library_hands_out_lives_until_it_was_read(
    engine: TensorRTEngine, machine: Machine, tensor: Make
) -> None:
    """Some libraries lend a copy, which nobody but the capsule holds."""
    first, second = tensor(seed=1), tensor(seed=2)
    flow = engine.infer_device(Temporary(first), Temporary(second))
    np.testing.assert_allclose(read(machine, flow), flow_of(first, second), atol=1e-3)


class Temporary:
    def __init__(self, lender: DeviceTensor) -> None:
        self.lender = lender

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.lender.__dlpack_device__()

    def __dlpack__(self, *, stream: int | None = None) -> Any:
        copy = DeviceTensor(self.lender.machine, self.lender.values, self.lender.stream)
        # Complete, since work that is waiting would hold it too.
        copy.machine.wait_for(copy.machine.stream(copy.stream))
        weakref.finalize(copy, copy.machine.release, "device", copy.memory.address)
        return copy.__dlpack__(stream=stream)


def test_images_are_used_where_they_are(engine: TensorRTEngine, machine: Machine, tensor: Make) -> None:
    first, second = tensor(seed=1), tensor(seed=2)
    blocks = len(machine.memory)
    flow = engine.infer_device(first, second)
    assert [each.address for each in machine.memory[blocks:]] == [flow.address]
    assert {each.kind for each in machine.memory} == {"device"}


def test_dlpack_is_told_the_stream_that_will_read(
    engine: TensorRTEngine, machine: Machine, tensor: Make
) -> None:
    first = tensor(seed=1)
    engine.infer_device(first, first)
    (stream,) = {handle for handle in machine.streams if handle > 2}
    assert first.handed_to == [stream, stream]


def test_a_cuda_array_without_a_stream_is_ready(
    engine: TensorRTEngine, machine: Machine, tensor: Make
) -> None:
    first, second = tensor(seed=1, kind=CudaArray), tensor(seed=2, kind=CudaArray)
    for each in (first, second):
        machine.wait_for(machine.stream(each.stream))
        each.stream = None
    np.testing.assert_allclose(
        read(machine, engine.infer_device(first, second)), flow_of(first, second), atol=1e-3
    )


def test_the_flow_is_put_where_it_is_wanted(engine: TensorRTEngine, machine: Machine, tensor: Make) -> None:
    out = tensor((2, 2, 96, 128), seed=9)
    for seed in range(3):
        first, second = tensor(seed=seed), tensor(seed=seed + 10)
        assert engine.infer_device(first, second, out) is out
        # What the owner had begun to write came first.
        np.testing.assert_allclose(out.read(), flow_of(first, second), atol=1e-3)


def test_a_flow_serves_as_out_again(engine: TensorRTEngine, machine: Machine, tensor: Make) -> None:
    flow = engine.infer_device(tensor(seed=1), tensor(seed=2))
    first, second = tensor(seed=3), tensor(seed=4)
    assert engine.infer_device(first, second, out=flow) is flow
    np.testing.assert_allclose(read(machine, flow), flow_of(first, second), atol=1e-3)


def test_a_flow_can_be_shared_and_outlives_its_engine(
    trt: TensorRT, machine: Machine, write_plan: WritePlan
) -> None:
    first, second = (DeviceTensor.random(machine, SHAPE, seed) for seed in (1, 2))
    with TensorRTEngine(write_plan(), device="cuda:0") as engine:
        flow = engine.infer_device(first, second)
    for each in (first, second):
        each.free()
    assert flow.__dlpack_device__() == (CUDA, 0)
    capsule = flow.__dlpack__(stream=1, max_version=(1, 0))
    address = flow.address
    assert read_capsule(capsule).address == address
    assert read_capsule(capsule).shape == (2, 2, 96, 128)
    del flow
    gc.collect()
    np.testing.assert_allclose(
        machine.floats(address, 2 * 2 * 96 * 128 * 4), flow_of(first, second).ravel(), atol=1e-3
    )
    del capsule
    gc.collect()
    assert machine.leaks() == []


def test_a_flow_is_not_copied_elsewhere_for_others(engine: TensorRTEngine, tensor: Make) -> None:
    flow = engine.infer_device(tensor(seed=1), tensor(seed=2))
    assert read_capsule(flow.__dlpack__(dl_device=(CUDA, 0), copy=False)).address == flow.address
    with pytest.raises(BufferError):
        flow.__dlpack__(dl_device=(1, 0))
    with pytest.raises(BufferError):
        flow.__dlpack__(copy=True)


def changed(**attributes: Any) -> type[DeviceTensor]:
    return type("Changed", (CudaArray,), attributes)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (changed(dtype="<f2"), "image1: float32 values are needed, not <f2"),
        (changed(strides=(4, 8, 24, 2304)), "image1: its values are not in C order: make it contiguous"),
    ],
)
def test_another_type_or_layout_is_refused(
    engine: TensorRTEngine, tensor: Make, kind: type[DeviceTensor], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        engine.infer_device(tensor(kind=kind), tensor())


@pytest.mark.parametrize("kind", [DeviceTensor, CudaArray, DlpackTensor])
@pytest.mark.parametrize("cuda_graph", [False, True])
def test_frames_of_bytes_that_are_on_the_device(
    trt: TensorRT, machine: Machine, write_plan: WritePlan, kind: type[DeviceTensor], cuda_graph: bool
) -> None:
    shape = (2, 96, 128, 3)
    values = np.random.default_rng(0).integers(0, 256, (2, *shape), np.uint8)
    first, second = (kind(machine, each) for each in values)
    floats = DeviceTensor.random(machine, (2, 3, 96, 128), 1)
    with TensorRTEngine(write_plan(model=byte_model(shape)), cuda_graph=cuda_graph) as engine:
        flow = engine.infer_device(first, second)
        np.testing.assert_array_equal(read(machine, flow), difference(*values).transpose(0, 3, 1, 2))
        with pytest.raises(InputError, match="frame2: uint8 values are needed, not float32"):
            engine.infer_device(first, floats)
    for each in (first, second, floats):
        each.free()


class Half(DlpackTensor):
    def __dlpack__(self, *, stream: int | None = None) -> Any:
        capsule = super().__dlpack__(stream=stream)
        _tensor_in(capsule).bits = 16
        return capsule


class Transposed(DlpackTensor):
    def __dlpack__(self, *, stream: int | None = None) -> Any:
        capsule = super().__dlpack__(stream=stream)
        self.kept = (ctypes.c_int64 * 4)(3 * 96 * 128, 96 * 128, 1, 96)
        _tensor_in(capsule).strides = ctypes.cast(self.kept, ctypes.POINTER(ctypes.c_int64))
        return capsule


@pytest.mark.parametrize(("kind", "message"), [(Half, "not float16"), (Transposed, "not in C order")])
def test_another_type_or_layout_in_a_capsule_is_refused(
    engine: TensorRTEngine, tensor: Make, kind: type[DeviceTensor], message: str
) -> None:
    with pytest.raises(InputError, match=f"image1: .*{message}"):
        engine.infer_device(tensor(kind=kind), tensor())


def test_memory_that_tensorrt_cannot_take_is_refused(
    engine: TensorRTEngine, machine: Machine, tensor: Make
) -> None:
    class Shifted(CudaArray):
        @property
        def __cuda_array_interface__(self) -> dict[str, Any]:
            address, read_only = super().__cuda_array_interface__["data"]
            return super().__cuda_array_interface__ | {"data": (address + 64, read_only)}

    with pytest.raises(InputError, match=r"image2: .* no multiple of 256 bytes, .*: copy it"):
        engine.infer_device(tensor(), tensor(kind=Shifted))


def test_strides_of_c_order_are_taken(engine: TensorRTEngine, machine: Machine, tensor: Make) -> None:
    row = 128 * 4
    shape = (1, 3, 96, 128)
    # The stride of an axis of one item means nothing.
    kind = changed(strides=(12345, 96 * row, row, 4))
    first, second = tensor(shape, 1, kind), tensor(shape, 2, kind)
    np.testing.assert_allclose(
        read(machine, engine.infer_device(first, second)), flow_of(first, second), atol=1e-3
    )


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(3, 96, 128), (3, 96, 128)], r"image1: \[batch, 3, height, width\] is needed, not \[3, 96, 128\]"),
        ([(1, 4, 96, 128), (1, 4, 96, 128)], r"not \[1, 4, 96, 128\]"),
        ([(1, 3, 96, 128), (1, 3, 96, 112)], r"image2: \[1, 3, 96, 128\] is needed, not \[1, 3, 96, 112\]"),
        ([(1, 3, 48, 128)] * 2, r"outside the plan's range: batch 1\.\.4, height 64\.\.256"),
        ([(5, 3, 96, 128)] * 2, r"5 pairs of 96x128 .*--max 256x256,5$"),
    ],
)
def test_another_shape_is_refused(engine: TensorRTEngine, tensor: Make, shapes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        engine.infer_device(*(tensor(shape) for shape in shapes))


def test_a_wrong_out_is_refused(engine: TensorRTEngine, trt: TensorRT, tensor: Make) -> None:
    images = tensor(), tensor()
    with pytest.raises(InputError, match=r"out: \[2, 2, 96, 128\] is needed, not \[2, 3, 96, 128\]"):
        engine.infer_device(*images, out=tensor())
    with pytest.raises(InputError, match="out: it is read-only"):
        engine.infer_device(*images, out=tensor((2, 2, 96, 128), kind=changed(read_only=True)))
    # What was refused cost no context.
    assert trt.state.contexts == 1


def test_arrays_of_the_host_are_refused(engine: TensorRTEngine, machine: Machine, tensor: Make) -> None:
    array = np.zeros(SHAPE, np.float32)
    with pytest.raises(InputError, match=r"image1: it is not on a CUDA device \(DLPack's device type 1\)"):
        engine.infer_device(array, array)
    with pytest.raises(InputError, match="__dlpack__ or __cuda_array_interface__ is needed, not list"):
        engine.infer_device(array.tolist(), array)
    pinned = tensor(kind=CudaArray)
    pinned.memory.kind = "pinned"
    with pytest.raises(InputError, match="image1: it is not in a device's memory"):
        engine.infer_device(pinned, pinned)
    pinned.memory.kind = "device"


@pytest.mark.parametrize("kind", [DlpackTensor, CudaArray])
def test_arrays_of_another_gpu_are_refused_before_their_stream_is_waited_for(
    engine: TensorRTEngine, machine: Machine, tensor: Make, kind: type[DeviceTensor]
) -> None:
    runtime = CudaRuntime(machine)
    machine.current = 1
    _, stream = runtime.cudaStreamCreateWithFlags(1)
    there = tensor(kind=kind)
    there.stream = stream
    machine.current = 0
    with pytest.raises(InputError, match="image2: it is on cuda:1, and the engine is on cuda:0"):
        engine.infer_device(tensor(), there)
    assert there.handed_to == []
    runtime.cudaStreamDestroy(stream)


@pytest.mark.parametrize("kind", [DlpackTensor, CudaArray])
def test_arrays_on_another_gpu_than_the_threads_own(
    trt: TensorRT, machine: Machine, write_plan: WritePlan, kind: type[DeviceTensor]
) -> None:
    machine.current = 1
    first, second = (kind.random(machine, SHAPE, seed) for seed in (1, 2))
    machine.current = 0
    with TensorRTEngine(write_plan(), device="cuda:1") as engine:
        flow = engine.infer_device(first, second)
        assert machine.current == 0
    assert flow.__dlpack_device__() == (CUDA, 1)
    assert {each.device for each in machine.memory} == {1}
    np.testing.assert_allclose(read(machine, flow), flow_of(first, second), atol=1e-3)
    for each in (first, second):
        each.free()


def test_a_library_that_refuses_to_share_is_quoted(engine: TensorRTEngine, tensor: Make) -> None:
    def refuse(self: Any, *, stream: int) -> Any:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")

    kind = changed(__dlpack__=refuse)
    with pytest.raises(InputError, match=r"image1: it cannot be shared: .* use tensor\.detach\(\)"):
        engine.infer_device(tensor(kind=kind), tensor())


def test_a_closed_engine_says_so(engine: TensorRTEngine, tensor: Make) -> None:
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.infer_device(tensor(), tensor())
