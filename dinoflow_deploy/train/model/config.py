"""What a flow model is made of: backbone sizes, decoder widths."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from dinoflow_deploy.errors import ModelError
from dinoflow_deploy.models.decoder import HeadConfig
from dinoflow_deploy.models.registry import MODELS

__all__ = ["BACKBONES", "BackboneConfig", "FlowModelConfig", "HeadConfig", "model_names"]


@dataclass(frozen=True, slots=True)
class BackboneConfig:
    """Size of a DINOv3 vision transformer.

    Attributes:
        width: Channels of a token, a multiple of ``4 * heads`` (RoPE splits a head's channels in four).
        depth: Number of transformer blocks, at least 4.
        heads: Attention heads.
        patch_size: Side of a square patch, px.
        mlp_ratio: Hidden width of the MLP over ``width``.
        register_tokens: Learned tokens beside CLS that hold no position.
        rope_theta: Base of the rotary frequencies.
        rope_rescale: In training, patch coordinates are multiplied by a factor drawn log-uniformly from
            [1 / rope_rescale, rope_rescale], so that other frame sizes are not strange later. 1 is off.
        layer_scale: Initial value of LayerScale.
    """

    width: int
    depth: int
    heads: int
    patch_size: int = 16
    mlp_ratio: float = 4.0
    register_tokens: int = 4
    rope_theta: float = 100.0
    rope_rescale: float = 1.0
    layer_scale: float = 1e-5

    def __post_init__(self) -> None:
        """Check the sizes against each other."""
        if self.depth < 4:
            raise ModelError(f"depth is {self.depth}: the decoder taps four blocks, so it must be at least 4")
        if self.width % (4 * self.heads):
            raise ModelError(f"width is {self.width}: it must be a multiple of 4 * heads = {4 * self.heads}")

    @property
    def taps(self) -> tuple[int, int, int, int]:
        """Blocks whose output the decoder reads: the last of each quarter of the depth."""
        first, second, third, fourth = ((quarter * self.depth) // 4 - 1 for quarter in (1, 2, 3, 4))
        return first, second, third, fourth


BACKBONES: dict[str, BackboneConfig] = {
    "nano": BackboneConfig(width=128, depth=4, heads=4, rope_rescale=2.0, layer_scale=1.0),
    "small": BackboneConfig(width=192, depth=6, heads=6, rope_rescale=2.0, layer_scale=1.0),
    "vits16": BackboneConfig(width=384, depth=12, heads=6),
    "vitb16": BackboneConfig(width=768, depth=12, heads=12),
    "vitl16": BackboneConfig(width=1024, depth=24, heads=16),
}
"""Backbones by name: our own ``nano`` and ``small``, and three sizes of DINOv3 (arXiv:2508.10104)."""


@dataclass(frozen=True, slots=True)
class FlowModelConfig:
    """A flow model: a named backbone and its decoder.

    Attributes:
        backbone: A key of ``BACKBONES``.
        head: Size of the decoder; by default that of the model of this name.
        name: Of the model; by default the backbone's. Several models may have one backbone.
    """

    backbone: str = "vits16"
    head: HeadConfig | None = None
    name: str = ""

    def __post_init__(self) -> None:
        """Check the backbone and fill in the name."""
        if self.backbone not in BACKBONES:
            raise ModelError(f"unknown backbone '{self.backbone}': choose one of {', '.join(BACKBONES)}")
        object.__setattr__(self, "name", self.name or self.backbone)

    @classmethod
    def named(cls, name: str) -> Self:
        """The configuration of a model.

        Args:
            name: Of :func:`model_names`.

        Raises:
            ModelError: There is no such model.
        """
        model = MODELS.get(name)
        return cls(model.backbone, model.decoder, name) if model else cls(name)

    @property
    def backbone_config(self) -> BackboneConfig:
        """Size of the backbone."""
        return BACKBONES[self.backbone]

    @property
    def head_config(self) -> HeadConfig:
        """Size of the decoder."""
        model = MODELS.get(self.name)
        return self.head or (model.decoder if model else HeadConfig())

    def to_dict(self) -> dict[str, Any]:
        """The configuration as JSON types, complete: the decoder is written out.

        A name is left out where it is the backbone's, as in files of before models had names of their own.
        """
        values = asdict(replace(self, head=self.head_config))
        # JSON has no tuples: what is written and what is read back must be equal.
        values["head"]["output_widths"] = list(self.head_config.output_widths)
        if self.name == self.backbone:
            del values["name"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Read what ``to_dict`` gave.

        Raises:
            ModelError: A key is missing or unknown, or a value is out of range.
        """
        try:
            head = dict(values["head"])
            head["output_widths"] = tuple(head["output_widths"])
            return cls(values["backbone"], HeadConfig(**head), values.get("name", ""))
        except (KeyError, TypeError) as error:
            raise ModelError(f"not a flow model's configuration ({error!r}): {values}") from error


def model_names() -> list[str]:
    """What :meth:`FlowModelConfig.named` takes: models, and backbones that no model is named after."""
    return list(dict.fromkeys((*MODELS, *BACKBONES)))
