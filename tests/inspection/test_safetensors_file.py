import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch

from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.inspection import inspect_artifact
from dinoflow_deploy.inspection.report import WeightsDetails
from dinoflow_deploy.inspection.safetensors_file import CONFIG_KEY
from dinoflow_deploy.train.model import model_file
from tests.inspection.conftest import NANO


def test_the_built_in_model() -> None:
    report, tensors = inspect_artifact(NANO.weights), load_file(NANO.weights)
    assert report.kind == "safetensors"
    assert report.model is not None
    assert report.model.config is not None
    assert report.model.config["backbone"] == "nano"
    floats = [value for value in tensors.values() if value.dtype == np.float32]
    (first, _) = report.model.weights
    assert (first.type, first.tensors, first.values) == (
        "fp32",
        len(floats),
        sum(value.size for value in floats),
    )
    assert first.bytes == sum(value.nbytes for value in floats)
    assert report.files[0].sha256 == hashlib.sha256(NANO.weights.read_bytes()).hexdigest()


def test_the_weights_are_those_of_the_bundle() -> None:
    manifest = inspect_artifact("nano").manifest
    assert manifest is not None
    assert manifest.model.weights_sha256 == inspect_artifact(NANO.weights).files[0].sha256


def test_the_configuration_lies_where_the_model_keeps_it() -> None:
    assert model_file.CONFIG_KEY == CONFIG_KEY


def test_other_weights_of_every_type(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    types = {"a.w": torch.bfloat16, "a.v": torch.float16, "b.u": torch.float16, "c": torch.uint8}
    save_torch({name: torch.zeros(2, 3, dtype=kind) for name, kind in types.items()}, path)
    model = inspect_artifact(path).model
    assert model is not None
    assert model.config is None
    assert sorted(model.weights, key=lambda part: part.type) == [
        WeightsDetails("bf16", 1, 6, 12, {"a": 1}),
        WeightsDetails("fp16", 2, 12, 24, {"a": 1, "b": 1}),
        WeightsDetails("uint8", 1, 6, 6, {"c": 1}),
    ]


@pytest.mark.parametrize("cut", [0, 4, 1000, -1])
def test_a_damaged_file_is_named(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    path.write_bytes(NANO.weights.read_bytes()[:cut])
    with pytest.raises(FileFormatError, match=r"cut\.safetensors cannot be read"):
        inspect_artifact(path)


@pytest.mark.parametrize("config", ["{", "[]", "[" * 100_000])
def test_a_configuration_that_is_none_is_refused(config: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"w": np.zeros(1, np.float32)}, path, {CONFIG_KEY: config})
    with pytest.raises(FileFormatError, match=r"odd\.safetensors holds a model configuration that is not"):
        inspect_artifact(path)


def test_numbers_that_json_does_not_have_are_strings(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": np.zeros(1)}, path, {CONFIG_KEY: '{"rate": NaN, "limits": [1.5, -1e999]}'})
    content = json.loads(json.dumps(inspect_artifact(path).to_dict(), allow_nan=False))
    assert content["model"]["config"] == {"rate": "nan", "limits": [1.5, "-inf"]}
