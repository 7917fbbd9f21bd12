"""Backbone and decoder as one model, from two images to flow."""

from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from dinoflow_deploy.train.model.backbone import DinoBackbone
from dinoflow_deploy.train.model.config import FlowModelConfig
from dinoflow_deploy.train.model.head import FlowHead

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class FlowModel(nn.Module):
    """DinoFlow: a siamese DINOv3 backbone, a local cost volume and an SDT decoder, in one forward pass.

    ``FlowModel(config)`` is randomly initialised; ``FlowModel.from_pretrained(config)`` is not.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: FlowModelConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = DinoBackbone(config.backbone_config)
        self.head = FlowHead(config.backbone_config.width, config.head_config)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, image1: Tensor, image2: Tensor) -> Tensor:
        """Flow from the first image to the second.

        Args:
            image1: RGB in [0, 1], float ``[B, 3, H, W]``; H and W multiples of 16.
            image2: The same shape.

        Returns:
            Flow in px, float32 ``[B, 2, H, W]``: u to the right, v down.
        """
        return self.head.decode(*self.compare(image1, image2))

    def bidirectional(self, image1: Tensor, image2: Tensor) -> tuple[Tensor, Tensor]:
        """Flow in both directions, from features that are computed once.

        Args:
            image1: As ``forward`` takes it.
            image2: The same shape.

        Returns:
            Flow from ``image1`` to ``image2`` and back, each as ``forward`` gives it.
        """
        feature1, feature2 = self.head.features(*self._taps(image1, image2))
        return (
            self.head.decode(*self.head.compare_features(feature1, feature2)),
            self.head.decode(*self.head.compare_features(feature2, feature1)),
        )

    def compare(self, image1: Tensor, image2: Tensor) -> tuple[Tensor, Tensor]:
        """Cost volume and feature difference of two images, as ``FlowHead.compare`` gives them."""
        return self.head.compare(*self._taps(image1, image2))

    def _taps(self, image1: Tensor, image2: Tensor) -> tuple[list[tuple[Tensor, Tensor]], int, int]:
        """The tapped tokens of both images, and rows and columns of their grid."""
        images = torch.cat([image1, image2], dim=0)
        normalised = (images - self.mean) / self.std
        taps = self.backbone(normalised.to(self.backbone.patch_embed.weight.dtype))
        patch = self.config.backbone_config.patch_size
        return taps, images.shape[2] // patch, images.shape[3] // patch

    @classmethod
    def from_pretrained(
        cls,
        config: FlowModelConfig,
        backbone_weights: str | Path | None = None,
        head_weights: str | Path | None = None,
        head_renames: dict[str, str] | None = None,
    ) -> Self:
        """Build a model and load its weights; nothing is ever loaded in part.

        Args:
            config: What to build.
            backbone_weights: A local ``.safetensors`` (layout of transformers, Meta, timm or this project),
                Meta's ``.pth``, or a hub reference ``hub:owner/name/file``. By default the backbone's
                published weights, from the hub (``vits16`` and larger) or from this package (``nano``).
            head_weights: A local ``.safetensors`` or a hub reference. By default the published decoder.
            head_renames: Names in the decoder's file and the names they stand for.

        Raises:
            ModelError: Names or shapes do not fit, nothing is published for this model, or the hub refused.
        """
        from dinoflow_deploy.train.model.pretrained import load_backbone_weights, load_head_weights

        model = cls(config)
        load_backbone_weights(model, backbone_weights)
        load_head_weights(model, head_weights, head_renames or {})
        return model
