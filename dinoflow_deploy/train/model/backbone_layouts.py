"""Names of a DINOv3 backbone's weights in three layouts, and in ours.

- Hugging Face transformers: ``layer.0.attention.q_proj.weight`` (``model.layer...`` since version 5).
- Meta's release: ``blocks.0.attn.qkv.weight``, its bias masked where the key's part is.
- timm: ``blocks.0.attn.qkv.weight`` with ``q_bias`` and ``v_bias``, or with neither where they are zero.
"""

import re

import torch
from torch import Tensor

from dinoflow_deploy.errors import ModelError
from dinoflow_deploy.train.model.config import BackboneConfig

_TRANSFORMERS = [
    (r"^(?:model\.)?layer\.", "blocks."),
    (r"^embeddings\.patch_embeddings\.", "patch_embed."),
    (r"^embeddings\.", ""),
    (r"\.attention\.q_proj\.", ".attention.query."),
    (r"\.attention\.k_proj\.", ".attention.key."),
    (r"\.attention\.v_proj\.", ".attention.value."),
    (r"\.attention\.o_proj\.", ".attention.output."),
    (r"\.layer_scale([12])\.lambda1$", r".scale\1"),
    (r"\.mlp\.up_proj\.", ".mlp.up."),
    (r"\.mlp\.down_proj\.", ".mlp.down."),
]
_FUSED = [
    (r"^patch_embed\.proj\.", "patch_embed."),
    (r"^(?:storage_tokens|reg_token)$", "register_tokens"),
    (r"\.attn\.proj\.", ".attention.output."),
    (r"\.attn\.", ".attention."),
    (r"\.ls([12])\.gamma$", r".scale\1"),
    (r"\.gamma_([12])$", r".scale\1"),
    (r"\.mlp\.fc1\.", ".mlp.up."),
    (r"\.mlp\.fc2\.", ".mlp.down."),
]
# Read by pre-training only, or recomputed here.
_UNUSED = re.compile(r"(^|\.)(mask_token|bias_mask|periods|inv_freq)$")


def to_our_names(tensors: dict[str, Tensor], config: BackboneConfig, source: str) -> dict[str, Tensor]:
    """Map a backbone's tensors from any known layout.

    Args:
        tensors: As the file has them; also a complete model of this project, whose backbone is taken.
        config: Size of the backbone.
        source: Where they come from, for messages.

    Raises:
        ModelError: A key bias is not zero, which this model has no place for.
    """
    tensors = {k: v for k, v in _with_masked_biases(tensors).items() if not _UNUSED.search(k)}
    if any(name.startswith("backbone.") for name in tensors):
        return {k.removeprefix("backbone."): v for k, v in tensors.items() if k.startswith("backbone.")}
    if any(".attn.qkv." in name for name in tensors):
        return _from_fused(tensors, config, source)
    return _renamed(tensors, _TRANSFORMERS)


def _with_masked_biases(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Biases as Meta's model adds them: times a mask that is 0 at the key's part and 1 elsewhere."""
    masked = dict(tensors)
    for name, mask in tensors.items():
        bias = tensors.get(name.removesuffix("_mask")) if name.endswith(".bias_mask") else None
        if bias is not None and bias.shape == mask.shape:
            # Selected, not multiplied: NaN may stand where the mask is 0.
            masked[name.removesuffix("_mask")] = torch.where(mask == 0, 0.0, bias * mask)
    return masked


def _renamed(tensors: dict[str, Tensor], rules: list[tuple[str, str]]) -> dict[str, Tensor]:
    named = {}
    for name, value in tensors.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        named[name] = value
    return named


def _from_fused(tensors: dict[str, Tensor], config: BackboneConfig, source: str) -> dict[str, Tensor]:
    named: dict[str, Tensor] = {}
    for name, value in _renamed(tensors, _FUSED).items():
        block, _, part = name.partition(".attention.")
        if part in ("qkv.weight", "qkv.bias") and value.ndim:
            named |= _split(f"{block}.attention", part.removeprefix("qkv."), value, source)
        elif part in ("q_bias", "v_bias"):
            named[f"{block}.attention.{'query' if part == 'q_bias' else 'value'}.bias"] = value
        else:
            named[name] = value
    if not any(".attn." in name and name.endswith("bias") and ".proj." not in name for name in tensors):
        named |= _zero_biases(config, next(iter(tensors.values())).dtype)
    return named


def _split(attention: str, kind: str, value: Tensor, source: str) -> dict[str, Tensor]:
    # Three parts of any tensor, where chunk may give fewer: wrong shapes are listed when loading.
    query, key, value_part = value.tensor_split(3)
    parts = {f"{attention}.query.{kind}": query, f"{attention}.value.{kind}": value_part}
    if kind == "weight":
        parts[f"{attention}.key.weight"] = key
    elif key.any():
        raise ModelError(f"{source}: {attention} has a key bias other than zero, which DINOv3 does not have")
    return parts


def _zero_biases(config: BackboneConfig, dtype: torch.dtype) -> dict[str, Tensor]:
    """Query and value biases of the timm variant that leaves them out because they are zero."""
    zeros = torch.zeros(config.width, dtype=dtype)
    return {
        f"blocks.{index}.attention.{part}.bias": zeros
        for index in range(config.depth)
        for part in ("query", "value")
    }
