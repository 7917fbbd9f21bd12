"""The engine, the front and a repository on a real Triton server, see ``real_server.py``."""

import csv
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import onnx
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException
from typer.testing import CliRunner

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.datasets.scenes.synthetic_tree import write_synthetic_tree
from dinoflow_deploy.engines import FlowEngine, load_engine
from dinoflow_deploy.errors import EngineError
from dinoflow_deploy.models.builtin import builtin_models
from tests.engines.triton.real_server import RealServer, real_server, run_networks_in_python
from tests.small_bundles import byte_model, difference, make_manifest

pytestmark = pytest.mark.slow

NANO = builtin_models()["nano"].bundle


def invoke(*arguments: str | Path) -> None:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output


def write_byte_bundle(folder: Path, weights: str) -> Path:
    """A model of a few nodes that takes frames of bytes, two pairs at a time, never fewer."""
    folder.mkdir()
    onnx.save(byte_model((2, "height", "width", 3)), folder / "model.onnx")
    sides = AxisRange(64, 64, 512)
    inputs = InputRange(AxisRange.fixed(2), sides, sides)
    manifest = make_manifest({"model.onnx": FileInfo.of(folder / "model.onnx")}, inputs)
    info = replace(manifest.onnx, model_input="frames")
    model = replace(manifest.model, weights_sha256=weights * 64)
    text = replace(manifest, model=model, artefacts=(info.artefact(),)).to_json()
    (folder / "manifest.json").write_text(text)
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealServer]:
    """Serves nano, and a model of bytes in two versions, from a repository that the command wrote."""
    folder = tmp_path_factory.mktemp("triton")
    old, new = (write_byte_bundle(folder / weights, weights) for weights in "ab")
    for name, bundle in (("dinoflow", NANO), ("bytes", old), ("bytes", new)):
        output = ("--output", folder / "repository", "--name", name)
        invoke("export", "--target", "triton", "--model", bundle, *output)
    run_networks_in_python(folder / "repository")
    with real_server(folder / "repository", folder / "log") as running:
        yield running


@pytest.fixture(scope="module")
def local() -> Iterator[FlowEngine]:
    with load_engine(NANO, "onnxruntime", "cpu") as engine:
        yield engine


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, *shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("shared", ["on", "off"])
def test_frames_of_any_size_have_the_flow_of_the_engine_here(
    shared: str, server: RealServer, local: FlowEngine
) -> None:
    with load_engine(f"{server.url}/dinoflow?shared_memory={shared}") as engine:
        what = engine.describe()
        assert (what.model, what.precision, what.backend, what.device) == ("nano", "fp32", "triton", "server")
        way = "shared memory" if shared == "on" else "gRPC"
        weights = Bundle.open(NANO).manifest.model.weights_sha256[:12]
        assert what.provider == f"Triton 2.51.0, dinoflow version 1, onnx, weights {weights}, {way}"
        for size in ((64, 96), (65, 97), (16, 131), (130, 33)):
            frames = noise(*size)
            np.testing.assert_allclose(engine(*frames), local(*frames), atol=1e-4)
        frames = noise(5, 70, 81)
        np.testing.assert_allclose(engine.batch(*frames), local.batch(*frames), atol=1e-4)
        pair = [engine.prepare_frame(frame) for frame in frames[0][:2]]
        for flow, expected in zip(
            engine.bidirectional(*pair), local.bidirectional(*frames[0][:2]), strict=True
        ):
            np.testing.assert_allclose(flow, expected, atol=1e-4)


def test_a_network_of_bytes_and_of_a_fixed_batch_is_served_too_in_its_newest_version(
    server: RealServer,
) -> None:
    with load_engine(f"{server.url}/bytes") as engine:
        assert "bytes version 2, onnx, weights bbbbbbbbbbbb" in engine.describe().provider
        for size in ((64, 64), (65, 97), (16, 131)):
            frames = noise(*size)
            np.testing.assert_array_equal(engine(*frames), difference(*frames))


def test_bench_through_the_server_gives_the_numbers_of_the_engine_here(
    server: RealServer, tmp_path: Path
) -> None:
    write_synthetic_tree("sintel", tmp_path / "sintel", pairs=4, size=(66, 100), seed=1)
    figures = {}
    for model, backend in ((f"{server.url}/dinoflow", "triton"), (str(NANO), "onnxruntime")):
        file = tmp_path / f"{backend}.csv"
        data = ("--dataset", "sintel-clean", "--root", tmp_path / "sintel", "--no-speed")
        invoke("bench", "--model", model, "--backend", backend, *data, "--csv", file)
        with file.open() as lines:
            rows = list(csv.DictReader(lines))
        assert {row["where"] for row in rows} == {"sintel-clean (synthetic)"}
        figures[backend] = {row["quantity"]: float(row["value"]) for row in rows if row["value"]}
    assert figures["triton"]["epe"] > 1
    assert figures["triton"].keys() == figures["onnxruntime"].keys()
    for quantity, value in figures["onnxruntime"].items():
        if "second" not in quantity:
            assert figures["triton"][quantity] == pytest.approx(value, rel=1e-5), quantity


def test_a_server_that_crashes_and_comes_back_loses_no_pair(server: RealServer) -> None:
    frames, going, stop = noise(64, 64), Event(), Event()
    with load_engine(f"{server.url}/dinoflow") as engine:
        expected = engine(*frames)

        def compute() -> int:
            count = 0
            while not stop.is_set():
                np.testing.assert_array_equal(engine(*frames), expected)
                going.set()
                count += 1
            return count

        with ThreadPoolExecutor(3) as pool:
            computing = [pool.submit(compute) for _ in range(3)]
            try:
                assert going.wait(60)
                server.kill()
                going.clear()
                server.restart()
                assert going.wait(60)
            finally:
                stop.set()
            assert all(each.result() > 0 for each in computing)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "/nowhere",
            r"serves no 'nowhere', it serves bytes, bytes_network, dinoflow, .*: correct the",
        ),
        ("/bytes/1", r"serves no 'bytes' in version 1, it serves bytes, .*, dinoflow_network: load it"),
        ("/dinoflow/7", r"serves no 'dinoflow' in version 7, it serves bytes, .*, dinoflow_network: load it"),
        (
            "/dinoflow_network",
            r"is no front of dinoflow-deploy.* it gives flow FP32 \[-1, 2, -1, -1\] for image1",
        ),
    ],
)
def test_a_model_that_is_not_served_is_named(path: str, message: str, server: RealServer) -> None:
    with pytest.raises(EngineError, match=message):
        load_engine(server.url + path)


def test_a_client_of_its_own_needs_ten_lines_and_is_told_what_is_wrong(
    server: RealServer, local: FlowEngine
) -> None:
    client = InferenceServerClient(server.url.removeprefix("grpc://"))

    def flow(*frames: np.ndarray) -> np.ndarray:
        inputs = [
            InferInput(name, frame.shape, "UINT8").set_data_from_numpy(frame)
            for name, frame in zip(("frame1", "frame2"), frames, strict=True)
        ]
        return client.infer("dinoflow", inputs).as_numpy("flow")

    frames = noise(50, 70)
    np.testing.assert_allclose(flow(*frames), local(*frames), atol=1e-4)
    for wrong, message in (
        (noise(8, 70), "frames of 8x70 pixels (height x width) are too small: each side needs at least 16"),
        (
            noise(64, 2064),
            "frames of 64x2064 pixels (height x width) are too large for this model, whose",
        ),
        ((frames[0], frames[1][:40]), "the frames of a pair differ in size: [50, 70, 3] and [40, 70, 3]"),
    ):
        with pytest.raises(InferenceServerException) as error:
            flow(*wrong)
        assert error.value.status() == "StatusCode.INVALID_ARGUMENT"
        assert error.value.message().startswith(message)
    client.close()
