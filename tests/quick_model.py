"""A flow model that PyTorch's compiler is done with in seconds."""

import torch
from torch import Tensor

from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, HeadConfig
from dinoflow_deploy.train.model.correlation import local_correlation
from dinoflow_deploy.train.model.head import _in_float32


class QuickModel(FlowModel):
    """Patches, their correlation and convolutions with BatchNorm, without transformer and upsampling.

    Others take minutes to compile.
    """

    def __init__(self) -> None:
        torch.manual_seed(0)
        head = HeadConfig(width=8, radius=2, groups=2, output_widths=(8, 8))
        super().__init__(FlowModelConfig("nano", head))
        with torch.no_grad():
            self.head.motion_encoder[1].running_mean.uniform_(-0.5, 0.5)
            self.head.motion_encoder[1].running_var.uniform_(0.5, 1.5)
            # Flow of some pixels.
            self.head.output_conv[-1].weight *= 100
        self.eval()

    def forward(self, image1: Tensor, image2: Tensor) -> Tensor:
        images = (torch.cat([image1, image2], dim=0) - self.mean) / self.std
        grid = self.backbone.patch_embed(images.to(self.backbone.patch_embed.weight.dtype))
        feature1, feature2 = grid.reshape(2, -1, *grid.shape[1:]).unbind(0)
        volume = local_correlation(feature1, feature2, self.config.head_config.radius)
        difference = feature2[:, :8] - feature1[:, :8]
        motion = self.head.motion_encoder(torch.cat([volume, difference], dim=1))
        flow = _in_float32(self.head.output_conv[-1], self.head.output_conv[:-1](motion))
        # One of each cell of 16x16 px.
        rows_of_px = torch.stack([flow] * 16, dim=4).flatten(3)
        return torch.stack([rows_of_px] * 16, dim=3).flatten(2, 3)
