import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from dinoflow_deploy import load_engine
from dinoflow_deploy.errors import FileFormatError, InputError, MissingPackageError
from dinoflow_deploy.models import builtin
from dinoflow_deploy.system import optional
from dinoflow_deploy.tensorrt import flavours
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, save_model
from tests.small_bundles import WriteBundle, WriteOnnx

MakeFrames = Callable[..., np.ndarray]


@pytest.fixture
def small(write_bundle: WriteBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose one built-in model is called "small"; gives its folder."""
    write_bundle("models/small/bundle")
    torch.manual_seed(0)
    folder = tmp_path / "models" / "small"
    save_model(FlowModel(FlowModelConfig("nano")), folder / "model.safetensors")
    monkeypatch.setattr(builtin, "MODELS_FOLDER", tmp_path / "models")
    return folder


@pytest.mark.parametrize(("asked", "taken"), [("auto", "openvino"), ("onnxruntime", "onnxruntime")])
def test_a_builtin_name_runs_on_the_cpu(asked: str, taken: str, small: Path, frames: MakeFrames) -> None:
    with load_engine("small", asked, "cpu") as engine:
        assert engine.describe().backend == taken
        assert engine.describe().source == str(small / "bundle")
        assert engine(*frames(2, 50, 60)).shape == (50, 60, 2)


def test_a_builtin_name_runs_on_pytorch_when_asked(small: Path) -> None:
    with load_engine("small", "pytorch", "cpu", precision="bf16") as engine:
        assert engine.describe().backend == "pytorch"
        assert engine.describe().precision == "bf16"
        assert engine.describe().source == str(small / "model.safetensors")


@pytest.mark.parametrize(
    ("name", "backend"),
    [("bundle", "openvino"), ("bundle/model.onnx", "openvino"), ("model.safetensors", "pytorch")],
)
@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_chooses_its_backend(name: str, backend: str, kind: type, small: Path) -> None:
    with load_engine(kind(small / name), device="cpu") as engine:
        assert engine.describe().backend == backend


def test_a_path_is_never_a_builtin_name(
    small: Path, write_onnx: WriteOnnx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()
    with pytest.raises(FileFormatError, match="small is not a bundle"):
        load_engine(Path("small"))
    with pytest.raises(FileFormatError, match="small is not a bundle"):
        load_engine("./small")
    load_engine("small", device="cpu").close()


def test_options_reach_the_engine(small: Path, frames: MakeFrames) -> None:
    with load_engine("small", device="cpu", convert_colors=True, intra_op_threads=1) as engine:
        grey = frames(2, 64, 64)[..., 0]
        assert engine(*grey).shape == (64, 64, 2)
    with pytest.raises(
        InputError, match="'onnxruntime' has no option 'precision': it takes intra_op_threads"
    ):
        load_engine("small", "onnxruntime", precision="fp16")


def test_an_unknown_name_lists_what_there_is(small: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"no file, folder or built-in model 'smal' \(built-in: small; published: vits16; "
        r"to compare with: opencv-dis, torchvision-raft-large, torchvision-raft-small\); did you",
    ):
        load_engine("smal")
    with pytest.raises(
        InputError,
        match=r"'missing/model\.onnx' \(built-in: small; published: vits16; to compare with: opencv-dis",
    ):
        load_engine("missing/model.onnx")


def test_no_builtin_models_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtin, "MODELS_FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"built-in: none"):
        load_engine("nano")


def test_a_plan_without_tensorrt_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flavours, "is_installed", lambda module: False)
    monkeypatch.setattr(optional, "is_installed", lambda module: False)
    plan = tmp_path / "model.plan"
    plan.write_bytes(b"plan" * 16)
    with pytest.raises(MissingPackageError, match=r"needs the package 'tensorrt', .* pip install"):
        load_engine(plan)


def test_a_bundle_without_a_plan_says_how_to_build_one(write_bundle: WriteBundle) -> None:
    folder = write_bundle()
    with pytest.raises(InputError) as refused:
        load_engine(folder, "tensorrt")
    assert str(refused.value) == (
        f"the backend 'tensorrt' does not run {folder}, which is a bundle: use openvino, "
        f"onnxruntime, onnxruntime-tensorrt; or dinoflow-deploy export --model {folder} --target tensorrt "
        "--output NEW builds a plan for it"
    )


def test_an_option_of_another_backend_says_whose_it_is(small: Path) -> None:
    with pytest.raises(
        InputError, match=r"'onnxruntime' has no option 'cuda_graph'.*tensorrt, inductor take"
    ):
        load_engine("small", "onnxruntime", "cpu", cuda_graph=True)


def test_what_does_not_go_together_is_refused(small: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"'pytorch' does not run .*, which is a bundle: use openvino, onnxruntime"
    ):
        load_engine(small / "bundle", "pytorch")
    with pytest.raises(
        InputError, match=r"'onnxruntime' does not run .*, which is a PyTorch model: use pytorch"
    ):
        load_engine(small / "model.safetensors", "onnxruntime")
    with pytest.raises(
        InputError, match="backend 'tflite' is not known: use auto, tensorrt, inductor, openvino, onnxruntime"
    ):
        load_engine("small", "tflite")
    with pytest.raises(InputError, match="device 'tpu' is not known: use auto, cpu, cuda"):
        load_engine("small", device="tpu")
    notes = tmp_path / "notes.txt"
    notes.write_text("")
    with pytest.raises(InputError, match=r"notes\.txt is not a model: .*\.onnx, \.safetensors, \.plan"):
        load_engine(notes)


def test_a_missing_backend_names_its_extra(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "dinoflow_deploy.system.optional.is_installed", lambda package: package != "onnxruntime"
    )
    monkeypatch.delitem(sys.modules, "dinoflow_deploy.engines.onnxruntime.engine", raising=False)
    with pytest.raises(
        MissingPackageError, match=r"'onnxruntime' needs the package 'onnxruntime'.*pip install 'onnxruntime"
    ):
        load_engine("small", "onnxruntime")
