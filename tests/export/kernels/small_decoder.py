"""The part of the model that the kernels are for, small."""

import torch
from torch import Tensor, nn

from dinoflow_deploy.train.model.config import HeadConfig
from dinoflow_deploy.train.model.dysample import DySample
from dinoflow_deploy.train.model.head import FlowHead


class SmallDecoder(nn.Module):
    """Cost volume, a convolution of it, and one upsampling."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.head = FlowHead(4, HeadConfig(width=8, radius=1, groups=2, output_widths=(4, 4)))
        self.mix = nn.Conv2d(9, 8, 1)
        self.sample = DySample(8, 2)
        nn.init.normal_(self.sample.offset.weight, std=2)
        self.eval().requires_grad_(False)

    def forward(self, feature1: Tensor, feature2: Tensor) -> tuple[Tensor]:
        return (self.sample(self.mix(self.head.cost_volume(feature1, feature2))),)


def features(height: int = 3, width: int = 5) -> tuple[Tensor, Tensor]:
    first, second = torch.randn(2, 2, 8, height, width, generator=torch.Generator().manual_seed(0))
    return (
        first.contiguous(memory_format=torch.channels_last),
        second.contiguous(memory_format=torch.channels_last),
    )
