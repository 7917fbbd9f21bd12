"""The engine against a server that fails on demand; ``test_engine_on_server.py`` has a real one."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event
from types import SimpleNamespace

import grpc
import numpy as np
import pytest

from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.engines.triton import failures, regions
from dinoflow_deploy.errors import DeviceError, EngineError, InputError
from tests.engines.triton.fake_server import SHARED, FakeServer
from tests.small_bundles import difference

Frames = Callable[..., np.ndarray]
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
INTERNAL = grpc.StatusCode.INTERNAL


@pytest.fixture
def server() -> Iterator[FakeServer]:
    running = FakeServer()
    yield running
    running.stop()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds between attempts, which pass at once."""
    found: list[float] = []
    now = [0.0]

    def pass_time(seconds: float) -> None:
        found.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(failures.time, "sleep", pass_time)
    monkeypatch.setattr(failures.time, "monotonic", lambda: now[0])
    return found


def ours() -> list[str]:
    return [path.name for path in SHARED.glob("dinoflow-*")]


@pytest.mark.parametrize("shared", ["on", "off", "auto"])
@pytest.mark.parametrize("size", [(16, 16), (65, 97), (512, 130)])
def test_frames_go_as_they_are_and_flow_comes_back(
    size: tuple[int, int], shared: str, server: FakeServer, frames: Frames
) -> None:
    first, second = frames(2, *size), frames(2, *size, seed=1)
    with load_engine(server.url, shared_memory=shared) as engine:
        np.testing.assert_array_equal(engine(first[0], second[0]), difference(first[0], second[0]))
        np.testing.assert_array_equal(engine.batch(first, second), difference(first, second))
        # Turned and mirrored frames are no contiguous memory.
        turned = first[0].transpose(1, 0, 2)[::-1], second[0].transpose(1, 0, 2)[::-1]
        np.testing.assert_array_equal(engine(*turned), difference(*turned))
        assert bool(server.regions) == (shared != "off")
    assert server.regions == {}
    assert set(server.asked) == {"10"}


def test_results_belong_to_the_caller_and_frames_stay_the_caller_s(
    server: FakeServer, frames: Frames
) -> None:
    first, second = frames(2, 64, 64)
    expected = difference(first, second)
    with load_engine(server.url, shared_memory="on") as engine:
        prepared = engine.prepare_frame(first), engine.prepare_frame(second)
        first[:] = second[:] = 0
        flow, (forward, backward) = engine(*prepared), engine.bidirectional(*prepared)
        engine(first, second)
    np.testing.assert_array_equal(flow, expected)
    np.testing.assert_array_equal(forward, expected)
    np.testing.assert_array_equal(backward, -expected)


def test_it_says_what_the_server_says(server: FakeServer) -> None:
    with load_engine(server.url, "triton", shared_memory="off") as engine:
        what = engine.describe()
    assert (what.model, what.precision, what.device) == ("difference", "fp16", "server")
    assert what.provider == "Triton 2.99.0, dinoflow version 10, onnx, weights 000000000000, gRPC"
    assert what.source == server.url
    assert (what.inputs.batch.min, what.inputs.batch.max, what.inputs.height.max) == (1, 4, 512)


def test_a_version_that_is_named_is_the_one_asked(server: FakeServer, frames: Frames) -> None:
    with load_engine(f"{server.url}/2") as engine:
        engine(*frames(2, 64, 64))
    assert server.asked == ["2"]


def test_pairs_of_a_batch_and_of_threads_are_on_their_way_at_once(server: FakeServer, frames: Frames) -> None:
    together = Barrier(4, timeout=30)
    first, second = frames(4, 64, 64), frames(4, 64, 64, seed=1)
    with load_engine(server.url) as engine, ThreadPoolExecutor(4) as pool:
        server.before = together.wait
        np.testing.assert_array_equal(engine.batch(first, second), difference(first, second))
        flows = list(pool.map(engine, first, second))
        np.testing.assert_array_equal(flows, difference(first, second))
        assert len(server.regions) == 4
    assert server.regions == {}


@pytest.mark.parametrize("shared", ["on", "off"])
@pytest.mark.parametrize(
    "failure",
    [
        (UNAVAILABLE, "Socket closed"),
        (UNAVAILABLE, "Request for unknown model: 'dinoflow' version 10 is not at ready state"),
        (grpc.StatusCode.NOT_FOUND, "Request for unknown model: 'dinoflow' is not found"),
        (INTERNAL, "Model dinoflow_network - Error when running inference: Server not ready"),
        (INTERNAL, "Stub process 'dinoflow_0_1' is not healthy."),
    ],
)
def test_a_pair_is_sent_again_while_the_server_restarts(
    failure: tuple[grpc.StatusCode, str],
    shared: str,
    server: FakeServer,
    frames: Frames,
    pauses: list[float],
) -> None:
    first, second = frames(2, 64, 64)
    with load_engine(server.url, shared_memory=shared) as engine:
        server.failures = [failure] * 3
        np.testing.assert_array_equal(engine(first, second), difference(first, second))
    assert pauses == [0.1, 0.2, 0.4]
    assert server.regions == {}


def test_a_server_that_forgot_shared_memory_is_given_new_one(
    server: FakeServer, frames: Frames, pauses: list[float]
) -> None:
    first, second = frames(2, 64, 64)
    with load_engine(server.url, shared_memory="on") as engine:
        engine(first, second)
        (forgotten,) = server.regions
        server.stop()
        server.start()
        np.testing.assert_array_equal(engine(first, second), difference(first, second))
        assert len(server.regions.keys() - {forgotten}) == 1


def test_memory_has_no_name_once_the_server_has_opened_it(server: FakeServer, frames: Frames) -> None:
    """Whatever ends this process, nothing is left behind."""
    with load_engine(server.url, shared_memory="on") as engine:
        engine(*frames(2, 64, 64))
        assert len(server.regions) == 1
        assert not ours()


def test_memory_of_a_failed_call_is_not_used_again(server: FakeServer, frames: Frames) -> None:
    with load_engine(server.url, shared_memory="on") as engine:
        server.failures = [(INTERNAL, "out of memory")]
        with pytest.raises(EngineError, match=r"failed: out of memory; its log says more"):
            engine(*frames(2, 64, 64))
        (spoiled,) = server.regions
        engine(*frames(2, 64, 64))
        assert set(server.regions) > {spoiled}
    assert server.regions == {}


def test_a_server_that_does_not_come_back_is_given_up(
    server: FakeServer, frames: Frames, pauses: list[float]
) -> None:
    with load_engine(server.url, retry_for=5) as engine:
        server.stop()
        with pytest.raises(EngineError, match=r"no Triton server answers at .* \(asked 6 times in 3 s\): .*"):
            engine(*frames(2, 64, 64))
    assert sum(pauses) <= 5
    assert not ours()


def test_what_nothing_mends_is_not_tried_again(server: FakeServer, frames: Frames) -> None:
    with load_engine(server.url) as engine:
        for failure, kind, message in (
            ((INTERNAL, "CUDA out of memory"), EngineError, "failed: CUDA out of memory; its log says more"),
            ((grpc.StatusCode.INVALID_ARGUMENT, "too\nlarge"), InputError, "refuses the request: too large$"),
        ):
            server.failures = [failure]
            with pytest.raises(kind, match=message):
                engine(*frames(2, 64, 64))
        assert len(server.asked) == 2


def test_an_answer_that_does_not_come_is_an_error(server: FakeServer, frames: Frames) -> None:
    late = Event()
    with load_engine(f"{server.url}?timeout=0.2") as engine:
        server.before = lambda: late.wait(30)
        with pytest.raises(EngineError, match=r"gave no answer within 0\.2 s: give it longer by the option"):
            engine(*frames(2, 64, 64))
        late.set()


def test_frames_that_the_server_would_refuse_are_not_sent(server: FakeServer, frames: Frames) -> None:
    with load_engine(server.url) as engine:
        for size, message in (((8, 64), "too small"), ((64, 528), r"too large .* whose width is 64\.\.512")):
            with pytest.raises(InputError, match=message):
                engine(*frames(2, *size))
    assert server.asked == []


def test_memory_that_cannot_be_shared_is_an_error_only_where_it_was_asked_for(server: FakeServer) -> None:
    server.shares = False
    with load_engine(server.url) as engine:
        assert engine.describe().provider.endswith("gRPC")
    with pytest.raises(DeviceError, match=r"cannot share memory with this process: Unable to open shared"):
        load_engine(server.url, shared_memory="on")
    assert not ours()


def test_a_model_that_is_not_there_is_named_with_those_that_are(server: FakeServer) -> None:
    for path, message in (
        ("nowhere", r"serves no 'nowhere', it serves dinoflow: correct the address, or export it there"),
        ("broken", r"serves no 'broken' \(version 1: Internal: no such file\), it serves dinoflow: load it"),
        ("dinoflow/3", r"serves no 'dinoflow' in version 3, it serves dinoflow: load it"),
    ):
        with pytest.raises(EngineError, match=message):
            load_engine(server.url.replace("dinoflow", path))


def test_a_model_that_is_no_front_is_refused(server: FakeServer) -> None:
    server.tensors["frame1"] = ("FP32", (-1, 3, -1, -1))
    with pytest.raises(EngineError, match=r"no front of dinoflow-deploy.* for frame1 FP32 \[-1, 3, -1, -1\]"):
        load_engine(server.url)


def test_a_front_that_says_something_else_of_itself_is_refused(server: FakeServer) -> None:
    server.about = '{"network": "dinoflow_network"}'
    with pytest.raises(EngineError, match=r"'artefact' is missing.* another release; export it again"):
        load_engine(server.url)


def test_nobody_there_is_said_at_once(pauses: list[float]) -> None:
    with pytest.raises(EngineError, match=r"no Triton server answers at 127\.0\.0\.1:9: .*; start it, or"):
        load_engine("grpc://127.0.0.1:9/dinoflow")
    assert pauses == []


def test_the_device_is_the_server_s(server: FakeServer) -> None:
    with pytest.raises(DeviceError, match="computes on its server's device: leave out the device 'cuda:1'"):
        load_engine(server.url, device="cuda:1")


def test_an_engine_that_is_closed_says_so(server: FakeServer, frames: Frames) -> None:
    engine = load_engine(server.url)
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine(*frames(2, 64, 64))


def test_memory_for_which_there_is_no_room_is_said_before_it_is_written(
    server: FakeServer, frames: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    with load_engine(server.url, shared_memory="on") as engine:
        monkeypatch.setattr(regions.shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
        with pytest.raises(DeviceError, match=r"of 3 MB does not fit into /dev/shm, where 1 MB are free"):
            engine(*frames(2, 448, 448))
    with load_engine(server.url) as engine:
        assert engine.describe().provider.endswith("shared memory")
    monkeypatch.setattr(regions.shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    with load_engine(server.url) as engine:
        assert engine.describe().provider.endswith("gRPC")


def test_memory_that_cannot_be_made_is_an_error_of_one_line(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("denied")

    monkeypatch.setattr(regions, "SharedMemory", refuse)
    with pytest.raises(DeviceError, match=r"no shared memory can be made here \(denied\): say"):
        load_engine(server.url, shared_memory="on")
