from typing import TYPE_CHECKING

import pytest
import torch

from dinoflow_deploy.train.model.backbone import DinoBackbone
from dinoflow_deploy.train.model.backbone_layouts import to_our_names
from dinoflow_deploy.train.model.config import BACKBONES, BackboneConfig
from dinoflow_deploy.train.model.strict_load import load_strictly

if TYPE_CHECKING:
    from transformers import DINOv3ViTModel

SMALL = BackboneConfig(width=48, depth=4, heads=3, register_tokens=2)
CONFIGS = {"small": SMALL, "vits16": BACKBONES["vits16"]}
SIZES = [(64, 64), (32, 112), (144, 48)]


def transformers_model(config: BackboneConfig) -> "DINOv3ViTModel":
    # Only here: it takes longer than all else that tests import, in every process that collects them.
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    torch.manual_seed(0)
    model = DINOv3ViTModel(
        DINOv3ViTConfig(
            hidden_size=config.width,
            num_hidden_layers=config.depth,
            num_attention_heads=config.heads,
            intermediate_size=4 * config.width,
            num_register_tokens=config.register_tokens,
            hidden_act="gelu",
            layer_norm_eps=1e-5,
        )
    ).eval()
    # Random where the initialisation is trivial, so that a swapped or dropped tensor shows.
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1 or "token" in name:
            torch.nn.init.normal_(parameter, mean=0.2, std=0.5)
    return model


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("size", SIZES, ids=["square", "wide", "tall"])
def test_equals_transformers(name, size):
    config = CONFIGS[name]
    oracle = transformers_model(config)
    ours = DinoBackbone(config).eval()
    load_strictly(ours, to_our_names(oracle.state_dict(), config, "oracle"), "oracle")
    images = torch.randn(2, 3, *size)
    with torch.no_grad():
        hidden = oracle(images, output_hidden_states=True).hidden_states
        taps = ours(images)
    assert len(taps) == 4
    for block, (patches, cls_token) in zip(config.taps, taps, strict=True):
        expected = hidden[block + 1]
        # Relative to the size of the tokens, which grows with the random LayerScale.
        scale = expected.abs().max()
        assert (cls_token - expected[:, :1]).abs().max() / scale < 1e-5
        assert (patches - expected[:, 1 + config.register_tokens :]).abs().max() / scale < 1e-5


def test_taps_of_the_published_model():
    assert BACKBONES["vits16"].taps == (2, 5, 8, 11)
    assert BACKBONES["vitl16"].taps == (5, 11, 17, 23)


def test_rope_rescale_is_for_training_alone():
    config = BackboneConfig(width=32, depth=4, heads=2, rope_rescale=2.0, layer_scale=1.0)
    backbone = DinoBackbone(config)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        backbone.eval()
        assert torch.equal(backbone(images)[-1][0], backbone(images)[-1][0])
        backbone.train()
        assert not torch.equal(backbone(images)[-1][0], backbone(images)[-1][0])
