"""The front without Triton: its arithmetic is that of the engines. ``test_engine_on_server.py`` has one."""

import importlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.engines.frames import to_padded_frames, to_tensor
from dinoflow_deploy.errors import InputError

NAME = "dinoflow_deploy.export.triton.front.model"
RANGES = {
    "any": InputRange(AxisRange(1, 1, 16), AxisRange(64, 512, 2048), AxisRange(64, 512, 2048)),
    "static": InputRange(AxisRange.fixed(1), AxisRange.fixed(96), AxisRange.fixed(128)),
    "static batch": InputRange(AxisRange.fixed(3), AxisRange(64, 64, 128), AxisRange(64, 64, None)),
}
SIZES = [(64, 64), (65, 97), (16, 16), (79, 128), (96, 113)]


@pytest.fixture
def front(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module, as it is imported where nothing but NumPy and Triton's own module is there."""
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", ModuleType("triton_python_backend_utils"))
    yield importlib.import_module(NAME)
    sys.modules.pop(NAME)


@pytest.mark.parametrize("inputs", RANGES.values(), ids=RANGES)
@pytest.mark.parametrize("size", SIZES)
def test_frames_are_padded_as_engines_pad_them(size: tuple[int, int], inputs: InputRange, front: Any) -> None:
    if size[0] > (inputs.height.max or size[0]):
        pytest.skip("no size that it takes")
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    padding, batch = inputs.padding(*size), inputs.batch.min
    sides = front.padded_size(*size, asdict(inputs))
    assert sides == (padding.padded_height, padding.padded_width)
    for made, expected in (
        (front.padded_image, to_tensor(frame[np.newaxis], padding, batch)),
        (front.padded_frames, to_padded_frames(frame[np.newaxis], padding, batch)),
    ):
        found = made(frame, sides, batch)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("takes_frames", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_flow_is_cut_back_to_the_frames(size: tuple[int, int], takes_frames: bool, front: Any) -> None:
    model = front.TritonPythonModel()
    model.inputs, model.takes_frames = asdict(RANGES["static batch"]), takes_frames

    def network(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        assert len(first) == len(second) == 3
        if takes_frames:
            first, second = (np.moveaxis(each, -1, 1) / np.float32(255) for each in (first, second))
        return 255 * (second - first)[:, :2]

    model._called = network
    first, second = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
    flow = model.flow(first, second)
    assert flow.flags.c_contiguous
    expected = second[..., :2].astype(np.float32) - first[..., :2]
    np.testing.assert_allclose(flow, expected, atol=1e-4)


@pytest.mark.parametrize("size", [(15, 64), (64, 3), (129, 64)])
def test_what_engines_refuse_it_refuses(size: tuple[int, int], front: Any) -> None:
    inputs = RANGES["static batch"]
    with pytest.raises(InputError) as expected:
        inputs.padding(*size)
    with pytest.raises(front.RefusedError) as refused:
        front.padded_size(*size, asdict(inputs))
    words = str(expected.value).partition(" are too ")
    assert str(refused.value).startswith("".join(words[:2]) + words[2][:5])


def test_an_error_of_the_network_is_passed_on(front: Any) -> None:
    """With its code, by which clients tell what may be over in a moment."""
    error = object()
    front.pb_utils.TritonError = SimpleNamespace(INVALID_ARG=3)
    front.pb_utils.Tensor = object
    front.pb_utils.InferenceResponse = lambda **arguments: arguments
    front.pb_utils.get_input_tensor_by_name = lambda request, name: SimpleNamespace(
        as_numpy=lambda: np.zeros((64, 64, 3), np.uint8)
    )
    model = front.TritonPythonModel()
    model.inputs, model.takes_frames = asdict(RANGES["any"]), False

    def network(*_: np.ndarray) -> None:
        raise front.FailedError(error)

    model._called = network
    request = SimpleNamespace(requested_output_names=lambda: {"flow"})
    assert model.execute([request]) == [{"error": error}]
