"""Every model, precision and kind of shape is exported once for all tests; what is exported is shared."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.onnx_info import ONNX_NAME
from dinoflow_deploy.export import ExportOptions, export_bundle
from dinoflow_deploy.export.options import parse_inputs
from dinoflow_deploy.train.model import FlowModel
from tests.export.lively import lively_model

STATIC_SHAPE = (2, 64, 112)
"""Batch, height and width of the static exports."""


@dataclass(frozen=True)
class Exported:
    """One export: model name, precision, and whether its shapes are dynamic."""

    name: str
    precision: str
    dynamic: bool
    model: FlowModel
    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / ONNX_NAME

    @property
    def onnx(self) -> ModelProto:
        """A copy of its own for whoever asks."""
        return onnx.load(self.path)


GetExport = Callable[[str, str, bool], Exported]


@pytest.fixture(scope="session")
def get_model() -> Callable[[str], FlowModel]:
    """The models under test by name; the same object each time, which nobody may change."""
    return cache(lively_model)


@pytest.fixture(scope="session")
def get_export(get_model: Callable[[str], FlowModel], tmp_path_factory: pytest.TempPathFactory) -> GetExport:
    """Exports by model name, precision and whether shapes are dynamic; each is made when first asked for."""

    @cache
    def export(name: str, precision: str, dynamic: bool) -> Exported:
        folder = tmp_path_factory.mktemp("exports") / "bundle"
        batch, height, width = STATIC_SHAPE
        inputs = parse_inputs(None, "dynamic") if dynamic else parse_inputs(f"{height}x{width}", str(batch))
        options = ExportOptions(precision=precision, inputs=inputs, verify=False)
        export_bundle(get_model(name), folder, options)
        Bundle.open(folder)
        return Exported(name, precision, dynamic, get_model(name), folder)

    return export


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(
            (name, precision, dynamic), id=f"{name}-{precision}-{'dynamic' if dynamic else 'static'}"
        )
        for name in ("nano", "vits16")
        for precision in ("fp32", "fp16", "bf16")
        for dynamic in (False, True)
        if dynamic or name == "nano"
    ],
)
def exported(request: pytest.FixtureRequest, get_export: GetExport) -> Exported:
    """Nine exports: fixed shapes, which make lengths constants, do that in one model as in another."""
    return get_export(*request.param)


@pytest.fixture(scope="session")
def nano(get_export: GetExport) -> Exported:
    """The quickest export: nano, fp32, static."""
    return get_export("nano", "fp32", False)
