"""The model refuses what a GPU may do silently, and does work in every order that a GPU may."""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.small_bundles import difference_model
from tests.tensorrt_model.arrays import DeviceTensor
from tests.tensorrt_model.cuda import OK, CudaRuntime
from tests.tensorrt_model.fixtures import every_order
from tests.tensorrt_model.machine import Machine, cudaError_t
from tests.tensorrt_model.module import TensorRT
from tests.tensorrt_model.schedule import Schedule, Stream, Wait

VALUES = np.arange(8, dtype=np.float32)


@pytest.fixture
def cuda(machine: Machine) -> CudaRuntime:
    return CudaRuntime(machine)


@pytest.fixture
def stream(cuda: CudaRuntime) -> int:
    return int(cuda.cudaStreamCreateWithFlags(1)[1])


def copy(cuda: CudaRuntime, target: int, source: int, stream: int, size: int = VALUES.nbytes) -> Any:
    return cuda.cudaMemcpyAsync(target, source, size, cuda.cudaMemcpyKind.cudaMemcpyDefault, stream)[0]


@every_order
def test_work_is_done_when_it_is_waited_for_and_only_at_once_before(
    order: str, machine: Machine, cuda: CudaRuntime, stream: int
) -> None:
    there, here = DeviceTensor(machine, VALUES, stream), machine.allocate("pinned", VALUES.nbytes)
    assert copy(cuda, here.address, there.memory.address, stream) is cudaError_t.cudaSuccess
    if order != "any":
        assert np.isnan(here.array(8)).all() == (order == "late")
    assert cuda.cudaStreamSynchronize(stream) == OK
    np.testing.assert_array_equal(here.array(8), VALUES)


def orders_of(put: Callable[[Stream, Stream, list[str]], None], order: str) -> set[str]:
    """In which orders the work of two streams is done, of fifty draws."""
    found = set()
    for seed in range(50):
        schedule, streams, done = Schedule(order, str(seed)), [Stream(0), Stream(0)], []
        put(*streams, done)
        for stream in streams:
            schedule.finish(stream, streams)
        found.add("".join(done))
    return found


def test_any_order_is_every_one_that_streams_and_events_allow() -> None:
    def put(first: Stream, second: Stream, done: list[str], *, event: bool) -> None:
        first.put(lambda: done.append("a"))
        until = len(first.items)
        first.put(lambda: done.append("b"))
        if event:
            second.put(Wait(first, until))
        second.put(lambda: done.append("1"))

    assert orders_of(lambda *all_: put(*all_, event=False), "any") == {"ab1", "a1b", "1ab"}
    assert orders_of(lambda *all_: put(*all_, event=True), "any") == {"ab1", "a1b"}
    assert orders_of(lambda *all_: put(*all_, event=True), "late") == {"ab1"}


@pytest.mark.parametrize("function", ["cudaMalloc", "cudaHostAlloc", "cudaFree", "cudaFreeHost"])
def test_allocating_and_freeing_are_refused_while_recording(
    machine: Machine, cuda: CudaRuntime, stream: int, function: str
) -> None:
    kind = "pinned" if "Host" in function else "device"
    memory = machine.allocate(kind, 64)
    arguments = {"cudaMalloc": (64,), "cudaHostAlloc": (64, 0)}.get(function, (memory.address,))
    mode = cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
    cuda.cudaStreamBeginCapture(stream, mode)
    assert getattr(cuda, function)(*arguments)[0] is cudaError_t.cudaErrorStreamCaptureUnsupported
    assert memory.alive
    # And what was recorded is lost.
    assert cuda.cudaStreamEndCapture(stream) == (cudaError_t.cudaErrorStreamCaptureInvalidated, None)
    assert getattr(cuda, function)(*arguments)[0] is cudaError_t.cudaSuccess


def test_pageable_freed_and_foreign_memory_is_refused(
    machine: Machine, cuda: CudaRuntime, stream: int
) -> None:
    first, second = (machine.allocate("device", VALUES.nbytes) for _ in range(2))
    assert copy(cuda, first.address, VALUES.ctypes.data, stream) is cudaError_t.cudaErrorInvalidValue
    assert copy(cuda, first.address, second.address, stream, 64) is cudaError_t.cudaErrorInvalidValue
    assert cuda.cudaFree(first.address) == OK
    assert copy(cuda, first.address, second.address, stream) is cudaError_t.cudaErrorInvalidValue
    assert cuda.cudaFree(first.address)[0] is cudaError_t.cudaErrorInvalidValue
    assert cuda.cudaFreeHost(second.address)[0] is cudaError_t.cudaErrorInvalidValue


@every_order
def test_work_that_fails_is_told_to_whoever_waits(machine: Machine, cuda: CudaRuntime, stream: int) -> None:
    """A recorded copy into memory that is freed before the copy is launched."""
    memory, source = (machine.allocate("device", VALUES.nbytes) for _ in range(2))
    cuda.cudaStreamBeginCapture(stream, cuda.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal)
    copy(cuda, memory.address, source.address, stream)
    _, executable = cuda.cudaGraphInstantiate(cuda.cudaStreamEndCapture(stream)[1], 0)
    cuda.cudaFree(memory.address)
    assert cuda.cudaGraphLaunch(executable, stream) == OK
    assert cuda.cudaStreamSynchronize(stream) == (cudaError_t.cudaErrorIllegalAddress, None)
    assert {"graph", f"stream {stream}"} < set(machine.leaks())


def test_parser_and_builder_have_to_live_as_long_as_what_needs_them(trt: TensorRT) -> None:
    class Logger(trt.ILogger):  # type: ignore[name-defined, misc]
        def log(self, severity: Any, msg: str) -> None:
            raise AssertionError(msg)

    builder = trt.Builder(Logger())
    config = builder.create_builder_config()
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, Logger())
    assert parser.parse(difference_model(shape=(1, 3, 64, 64)).SerializeToString())
    assert builder.build_serialized_network(network, config)
    del parser
    gc.collect()
    with pytest.raises(AssertionError, match="the parser, which owns the weights, is gone"):
        builder.build_serialized_network(network, config)
    with pytest.raises(AttributeError, match="IBuilderConfig has no 'max_workspace_size'"):
        config.max_workspace_size = 1 << 30
    del builder
    gc.collect()
    with pytest.raises(AssertionError, match="the builder of this configuration is gone"):
        config.builder_optimization_level = 5
