"""The weights of a transformers DINOv3 model in the key layouts of Meta's release and of timm."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from transformers import DINOv3ViTModel

_SAME = ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias")
_MLP = {"mlp.fc1": "mlp.up_proj", "mlp.fc2": "mlp.down_proj"}


def meta_layout(oracle: "DINOv3ViTModel") -> dict[str, Tensor]:
    """As Meta's ``.pth``: fused qkv whose bias has a mask, NaN where it masks the key's part."""
    source, heads = _tensors(oracle), oracle.config.num_attention_heads
    width = oracle.config.hidden_size
    tensors = _trunk(source) | {
        "storage_tokens": source["embeddings.register_tokens"],
        "mask_token": source["embeddings.mask_token"][0],
        "rope_embed.periods": 100.0 ** torch.linspace(0, 1, width // heads // 4 + 1)[:-1],
    }
    ones = torch.ones(width)
    for index in range(oracle.config.num_hidden_layers):
        block, layer = f"blocks.{index}", f"layer.{index}"
        query, value = (source[f"{layer}.attention.{part}_proj.bias"] for part in "qv")
        tensors[f"{block}.attn.qkv.bias"] = torch.cat([query, torch.full_like(query, torch.nan), value])
        tensors[f"{block}.attn.qkv.bias_mask"] = torch.cat([ones, 0 * ones, ones])
        for number in "12":
            tensors[f"{block}.ls{number}.gamma"] = source[f"{layer}.layer_scale{number}.lambda1"]
    return tensors


def timm_layout(oracle: "DINOv3ViTModel", *, biases: bool = True) -> dict[str, Tensor]:
    """As timm's ``Eva``: fused qkv without bias, and the query's and value's beside it, or not at all."""
    source = _tensors(oracle)
    tensors = _trunk(source) | {"reg_token": source["embeddings.register_tokens"]}
    for index in range(oracle.config.num_hidden_layers):
        block, layer = f"blocks.{index}", f"layer.{index}"
        for number in "12":
            tensors[f"{block}.gamma_{number}"] = source[f"{layer}.layer_scale{number}.lambda1"]
        if biases:
            tensors[f"{block}.attn.q_bias"] = source[f"{layer}.attention.q_proj.bias"]
            tensors[f"{block}.attn.v_bias"] = source[f"{layer}.attention.v_proj.bias"]
    return tensors


def _tensors(oracle: "DINOv3ViTModel") -> dict[str, Tensor]:
    return {name.removeprefix("model."): value for name, value in oracle.state_dict().items()}


def _trunk(source: dict[str, Tensor]) -> dict[str, Tensor]:
    """What Meta and timm call the same."""
    tensors = {
        "cls_token": source["embeddings.cls_token"],
        "patch_embed.proj.weight": source["embeddings.patch_embeddings.weight"],
        "patch_embed.proj.bias": source["embeddings.patch_embeddings.bias"],
        "norm.weight": source["norm.weight"],
        "norm.bias": source["norm.bias"],
    }
    depth = 1 + max(int(name.split(".")[1]) for name in source if name.startswith("layer."))
    for index in range(depth):
        block, layer = f"blocks.{index}", f"layer.{index}"
        tensors |= {f"{block}.{name}": source[f"{layer}.{name}"] for name in _SAME}
        tensors[f"{block}.attn.qkv.weight"] = torch.cat(
            [source[f"{layer}.attention.{part}_proj.weight"] for part in "qkv"]
        )
        for kind in ("weight", "bias"):
            tensors[f"{block}.attn.proj.{kind}"] = source[f"{layer}.attention.o_proj.{kind}"]
            for theirs, original in _MLP.items():
                tensors[f"{block}.{theirs}.{kind}"] = source[f"{layer}.{original}.{kind}"]
    return tensors
