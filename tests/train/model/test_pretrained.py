"""Published weights load whole or not at all, and a refusal says what to do."""

import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from dinoflow_deploy.errors import FileFormatError, ModelError
from dinoflow_deploy.models import builtin
from dinoflow_deploy.train.model import BACKBONES, FlowModel, FlowModelConfig, save_model
from dinoflow_deploy.train.model.pretrained import load_backbone_weights, load_head_weights
from tests.train.model.layouts import meta_layout, timm_layout
from tests.train.model.test_backbone import SMALL, transformers_model

FUSED = "blocks.1.attn.qkv.weight"


def _values(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def _assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def _drop(tensors: dict[str, Tensor]) -> None:
    del tensors["blocks.3.mlp.fc2.bias"], tensors["norm.weight"]


def _add(tensors: dict[str, Tensor]) -> None:
    tensors["blocks.4.norm1.weight"] = torch.zeros(SMALL.width)
    tensors["pos_embed"] = torch.zeros(1)


def _reshape(tensors: dict[str, Tensor]) -> None:
    tensors["cls_token"] = torch.zeros(1, 1, 64)


def _drop_biases_of_one_block(tensors: dict[str, Tensor]) -> None:
    del tensors["blocks.1.attn.q_bias"], tensors["blocks.1.attn.v_bias"]


def _one_row_of_fused(tensors: dict[str, Tensor]) -> None:
    tensors[FUSED] = tensors[FUSED][:1].clone()


def _fused_scalar(tensors: dict[str, Tensor]) -> None:
    tensors[FUSED] = torch.zeros(())


def _replace_all(tensors: dict[str, Tensor]) -> None:
    tensors.clear()
    tensors["conv1.weight"] = torch.zeros(64, 3, 7, 7)


@pytest.mark.parametrize(
    ("change", "listed"),
    [
        (_drop, ["2 missing (blocks.3.mlp.down.bias, norm.weight)"]),
        (_add, ["2 unexpected (blocks.4.norm1.weight, pos_embed)"]),
        (_reshape, ["1 of another shape (cls_token (1, 1, 64), expected (1, 1, 48))"]),
        (_drop_biases_of_one_block, ["blocks.1.attention.query.bias, blocks.1.attention.value.bias"]),
        (
            _one_row_of_fused,
            ["3 of another shape", "blocks.1.attention.key.weight (0, 48), expected (48, 48)"],
        ),
        (_fused_scalar, ["3 missing", "1 unexpected (blocks.1.attention.qkv.weight)"]),
        (_replace_all, ["missing (blocks.0.attention.key.weight", "more)", "unexpected (conv1.weight)"]),
    ],
)
def test_a_backbone_that_does_not_fit_is_refused_by_names(tmp_path, small_model, change, listed):
    tensors = timm_layout(transformers_model(SMALL))
    change(tensors)
    save_file(tensors, tmp_path / "wrong.safetensors")
    before = _values(small_model)
    with pytest.raises(ModelError) as refusal:
        load_backbone_weights(small_model, tmp_path / "wrong.safetensors")
    for part in ("wrong.safetensors does not fit DinoBackbone", *listed):
        assert part in str(refusal.value)
    # Decoder's names alone can be mapped.
    assert "--rename" not in str(refusal.value)
    _assert_equal(_values(small_model), before)


def test_a_larger_backbone_is_refused(tmp_path, small_model):
    save_file(timm_layout(transformers_model(SMALL)), tmp_path / "small.safetensors")
    model = FlowModel(FlowModelConfig("nano"))
    with pytest.raises(ModelError, match=r"of another shape .*expected \(128,\)"):
        load_backbone_weights(model, tmp_path / "small.safetensors")


class _Trap:
    """Unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.write_text, (self.path, "executed"))


@pytest.mark.parametrize("protocol", ["torch", "plain pickle"])
def test_a_pth_with_code_is_refused_and_not_executed(tmp_path, small_model, protocol):
    path, executed = tmp_path / "weights.pth", tmp_path / "executed"
    pickle.loads(pickle.dumps(_Trap(executed)))
    executed.unlink()  # the trap works
    content = meta_layout(transformers_model(SMALL)) | {"extra": _Trap(executed)}
    if protocol == "torch":
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps(content, protocol=2))
    before = _values(small_model)
    with pytest.raises(FileFormatError, match=r"weights\.pth .*never unpickled") as refusal:
        load_backbone_weights(small_model, path)
    # torch's own text tells how to switch its protection off.
    assert "weights_only" not in str(refusal.value)
    assert not executed.exists()
    _assert_equal(_values(small_model), before)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "holds a list"),
        ({"model": {"cls_token": torch.zeros(1)}}, "holds a dict, not a state dict"),
        (nn.Linear(2, 2), "never unpickled"),
    ],
)
def test_a_pth_of_something_else_is_refused(tmp_path, small_model, content, message):
    torch.save(content, tmp_path / "weights.pth")
    with pytest.raises(FileFormatError, match=message):
        load_backbone_weights(small_model, tmp_path / "weights.pth")


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "missing", "folder"])
def test_a_file_that_is_no_weights_is_refused_by_name(tmp_path, small_model, name, damage):
    path = tmp_path / name
    tensors = timm_layout(transformers_model(SMALL))
    torch.save(tensors, path) if path.suffix == ".pth" else save_file(tensors, path)
    match damage:
        case "truncated":
            path.write_bytes(path.read_bytes()[:-2000])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("not weights")
        case "missing":
            path.unlink()
        case "folder":
            path.unlink()
            path.mkdir()
    with pytest.raises(FileFormatError, match=name):
        load_backbone_weights(small_model, path)


def test_head_from_a_plain_state_dict_and_from_a_complete_model(tmp_path, small_model):
    save_file(small_model.head.state_dict(), tmp_path / "head.safetensors")
    save_model(small_model, tmp_path / "complete.safetensors")
    for name in ("head.safetensors", "complete.safetensors"):
        other = FlowModel(small_model.config)
        backbone = _values(other.backbone)
        load_head_weights(other, tmp_path / name, {})
        _assert_equal(_values(other.head), _values(small_model.head))
        _assert_equal(_values(other.backbone), backbone)


@pytest.mark.parametrize("complete", [False, True])
def test_renames_map_names_of_the_file(tmp_path, small_model, complete):
    tensors = _values(small_model if complete else small_model.head)
    prefix = "head." if complete else ""
    renames = {
        "flow_encoder.first": "motion_encoder.0.weight",
        "flow_encoder.second": "motion_encoder.3.weight",
    }
    for old, new in renames.items():
        tensors[prefix + old] = tensors.pop(prefix + new)
    save_file(tensors, tmp_path / "head.safetensors")
    other = FlowModel(small_model.config)
    with pytest.raises(ModelError, match=r"2 missing .* 2 unexpected .*--rename old=new"):
        load_head_weights(other, tmp_path / "head.safetensors", {})
    load_head_weights(other, tmp_path / "head.safetensors", renames)
    _assert_equal(_values(other.head), _values(small_model.head))


@pytest.mark.parametrize(
    ("renames", "message"),
    [
        ({"flow_encoder.0": "motion_encoder.0.weight"}, r"--rename flow_encoder\.0: no such names in .*head"),
        ({"output_conv.4.bias": "output_conv.2.bias"}, "two tensors of .* one name"),
        ({"output_conv.4.bias": "output.bias"}, r"1 missing \(output_conv\.4\.bias\); 1 unexpected"),
    ],
)
def test_a_wrong_rename_is_refused(tmp_path, small_model, renames, message):
    save_file(small_model.head.state_dict(), tmp_path / "head.safetensors")
    other = FlowModel(small_model.config)
    before = _values(other)
    with pytest.raises(ModelError, match=message):
        load_head_weights(other, tmp_path / "head.safetensors", renames)
    _assert_equal(_values(other), before)


def test_nano_comes_from_the_package(tmp_path, monkeypatch):
    model = FlowModel(FlowModelConfig("nano"))
    (tmp_path / "nano/bundle").mkdir(parents=True)
    (tmp_path / "nano/bundle/manifest.json").write_text("{}")
    save_model(model, tmp_path / "nano/model.safetensors")
    monkeypatch.setattr(builtin, "MODELS_FOLDER", tmp_path)
    _assert_equal(_values(FlowModel.from_pretrained(FlowModelConfig("nano"))), _values(model))


def test_nothing_published_names_the_option(tmp_path, monkeypatch):
    monkeypatch.setattr(builtin, "MODELS_FOLDER", tmp_path)
    monkeypatch.setitem(BACKBONES, "vitb16", SMALL)
    with pytest.raises(ModelError, match=r"no backbone is published for 'nano': .*--backbone-weights"):
        FlowModel.from_pretrained(FlowModelConfig("nano"))
    with pytest.raises(ModelError, match=r"no decoder is published for 'vitb16': .*--head"):
        load_head_weights(FlowModel(FlowModelConfig("vitb16")), None, {})


def _cache(folder: Path, repository: str, file: str) -> Path:
    """Where the hub's cache keeps a file of a repository."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    root = folder / f"models--{repository.replace('/', '--')}"
    (root / "refs").mkdir(parents=True)
    (root / "refs/main").write_text(commit)
    (root / "snapshots" / commit).mkdir(parents=True)
    return root / "snapshots" / commit / file


def test_published_weights_come_from_the_hub_cache(tmp_path, monkeypatch, small_model):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(
        ModelError, match=r"facebook/dinov3-vits16-pretrain-lvd1689m/model\.safetensors is not in"
    ):
        FlowModel.from_pretrained(small_model.config)
    backbone = timm_layout(transformers_model(SMALL))
    save_file(backbone, _cache(tmp_path, "facebook/dinov3-vits16-pretrain-lvd1689m", "model.safetensors"))
    with pytest.raises(ModelError, match=r"blanchon/dinoflow-model/flow-vits16\.safetensors is not in"):
        FlowModel.from_pretrained(small_model.config)
    head = small_model.head.state_dict()
    save_file(head, _cache(tmp_path, "blanchon/dinoflow-model", "flow-vits16.safetensors"))
    model = FlowModel.from_pretrained(small_model.config)
    assert torch.equal(model.backbone.cls_token, backbone["cls_token"])
    _assert_equal(_values(model.head), head)
