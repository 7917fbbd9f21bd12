"""A backbone computes the same whatever layout its weights come in."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dinoflow_deploy.errors import ModelError
from dinoflow_deploy.train.model import FlowModel, save_model
from dinoflow_deploy.train.model.backbone_layouts import to_our_names
from dinoflow_deploy.train.model.pretrained import load_backbone_weights
from tests.train.model.layouts import meta_layout, timm_layout
from tests.train.model.test_backbone import SMALL, transformers_model

if TYPE_CHECKING:
    from transformers import DINOv3ViTModel

QKV_BIAS = "blocks.2.attn.qkv.bias"


def _write(layout: str, oracle: "DINOv3ViTModel", folder: Path) -> Path:
    path = folder / "weights.safetensors"
    match layout:
        case "transformers, saved":
            oracle.save_pretrained(folder)
            return folder / "model.safetensors"
        case "transformers, state dict":
            assert any(name.startswith("model.layer.") for name in oracle.state_dict())
            save_file(oracle.state_dict(), path)
        case "Meta":
            path = folder / "dinov3_pretrain.pth"
            torch.save(meta_layout(oracle), path)
        case "timm":
            save_file(timm_layout(oracle), path)
        case "timm without biases":
            with torch.no_grad():
                for name, parameter in oracle.named_parameters():
                    if name.endswith(("q_proj.bias", "v_proj.bias")):
                        parameter.zero_()
            save_file(timm_layout(oracle, biases=False), path)
    return path


def _assert_same(model: FlowModel, oracle: "DINOv3ViTModel") -> None:
    images = torch.randn(2, 3, 48, 80)
    with torch.no_grad():
        hidden = oracle(images, output_hidden_states=True).hidden_states
        taps = model.backbone(images)
    for block, (patches, cls_token) in zip(SMALL.taps, taps, strict=True):
        expected = hidden[block + 1]
        scale = expected.abs().max()
        assert (cls_token - expected[:, :1]).abs().max() / scale < 1e-5
        assert (patches - expected[:, 1 + SMALL.register_tokens :]).abs().max() / scale < 1e-5
    # No tap has passed the last norm, so that outputs do not show it.
    assert torch.equal(model.backbone.norm.weight, oracle.norm.weight)
    assert torch.equal(model.backbone.norm.bias, oracle.norm.bias)


@pytest.mark.parametrize(
    "layout",
    ["transformers, saved", "transformers, state dict", "Meta", "timm", "timm without biases"],
)
def test_each_layout_gives_the_outputs_of_transformers(tmp_path, small_model, layout):
    oracle = transformers_model(SMALL)
    load_backbone_weights(small_model, _write(layout, oracle, tmp_path))
    _assert_same(small_model, oracle)


def test_backbone_of_a_complete_model(tmp_path, small_model):
    oracle = transformers_model(SMALL)
    load_backbone_weights(small_model, _write("timm", oracle, tmp_path))
    save_model(small_model, tmp_path / "complete.safetensors")
    other = FlowModel(small_model.config).eval()
    load_backbone_weights(other, tmp_path / "complete.safetensors")
    _assert_same(other, oracle)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_weights_load_into_float32(small_model, tmp_path, dtype):
    tensors = {name: value.to(dtype) for name, value in timm_layout(transformers_model(SMALL)).items()}
    save_file(tensors, tmp_path / "half.safetensors")
    load_backbone_weights(small_model, tmp_path / "half.safetensors")
    assert small_model.backbone.cls_token.dtype == torch.float32
    assert torch.equal(small_model.backbone.cls_token, tensors["cls_token"].float())


def _without_mask(tensors: dict[str, Tensor]) -> None:
    for name in [name for name in tensors if name.endswith("bias_mask")]:
        del tensors[name]
    for name in [name for name in tensors if name.endswith("qkv.bias")]:
        tensors[name] = tensors[name].nan_to_num(0.25)


def _mask_with_a_hole(tensors: dict[str, Tensor]) -> None:
    tensors[QKV_BIAS] = tensors[QKV_BIAS].nan_to_num(0.25)
    tensors[f"{QKV_BIAS}_mask"][SMALL.width] = 1


@pytest.mark.parametrize("damage", [_without_mask, _mask_with_a_hole])
def test_a_key_bias_that_would_be_lost_is_refused(damage):
    tensors = meta_layout(transformers_model(SMALL))
    damage(tensors)
    with pytest.raises(ModelError, match=r"weights\.pth: blocks\.\d\.attention has a key bias other than"):
        to_our_names(tensors, SMALL, "weights.pth")


def test_a_fused_bias_that_is_zero_at_the_key_needs_no_mask(small_model):
    tensors = meta_layout(transformers_model(SMALL))
    query, _, value = tensors[QKV_BIAS].chunk(3)
    for name in [name for name in tensors if name.endswith("qkv.bias")]:
        tensors[name] = tensors[name].nan_to_num(0.0)
        del tensors[f"{name}_mask"]
    named = to_our_names(tensors, SMALL, "weights.pth")
    assert torch.equal(named["blocks.2.attention.query.bias"], query)
    assert torch.equal(named["blocks.2.attention.value.bias"], value)
    assert named.keys() == small_model.backbone.state_dict().keys()
