"""What the tracer's own errors become."""

import pytest
import torch

from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.options import DYNAMIC_INPUTS
from dinoflow_deploy.export.trace import trace


def failing(stop: BaseException) -> None:
    """Fails as torch 2.13 does where something stops it in the middle of an import."""
    try:
        try:
            raise stop
        except torch._dynamo_not_there.exc:  # type: ignore[attr-defined]
            pass
    except Exception as error:
        raise torch.onnx.OnnxExporterError("step 1/3") from error


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143)], ids=str)
def test_what_stops_the_exporter_is_not_taken_for_its_failure(
    stop: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: failing(stop))
    with pytest.raises(type(stop)) as caught:
        trace(torch.nn.Identity(), DYNAMIC_INPUTS, 20)
    assert caught.value is stop


def test_a_model_that_cannot_be_traced_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.onnx.export", lambda *_, **__: failing(ValueError("no such operator")))
    with pytest.raises(ExportError, match=r"torch 2\..* cannot trace the model: step 1/3"):
        trace(torch.nn.Identity(), DYNAMIC_INPUTS, 20)
