"""The flow decoder: AnyDepth's SDT trunk (arXiv:2601.02760) behind a two-frame front end.

Module names of the trunk are those of the published SDT head, since flow checkpoints reuse it verbatim.
"""

from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dinoflow_deploy.train.model.config import HeadConfig
from dinoflow_deploy.train.model.correlation import local_correlation
from dinoflow_deploy.train.model.dysample import DySample

TAPS = 4


class WeightedFusion(nn.Module):
    """Softmax-weighted sum of the projected taps of one frame."""

    def __init__(self, token_width: int, width: int) -> None:
        super().__init__()
        self.readout_projects = nn.ModuleList(
            nn.Sequential(nn.Linear(2 * token_width, token_width), nn.GELU()) for _ in range(TAPS)
        )
        self.projections = nn.ModuleList(
            nn.Sequential(nn.Linear(token_width, width, bias=False), nn.GELU()) for _ in range(TAPS)
        )
        self.layer_weights = nn.Parameter(torch.zeros(TAPS))
        self._initialise()

    def _initialise(self) -> None:
        """Bring fused features to the order of one.

        The cost volume is quadratic in them: with torch's default weights it is a twentieth of the feature
        difference beside it, and a backbone that learns from scratch never finds it.
        """
        for projects, gain in ((self.readout_projects, 1.0), (self.projections, float(TAPS))):
            for linear in (project[0] for project in projects):  # type: ignore[index]
                nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
                with torch.no_grad():
                    linear.weight *= gain
                if linear.bias is not None:
                    nn.init.zeros_(linear.bias)

    def forward(self, taps: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Four taps of patch tokens ``[B, N, C]`` and CLS token ``[B, 1, C]`` to ``[B, N, width]``."""
        weights = self.layer_weights.softmax(0)
        fused = []
        for index, (patches, cls_token) in enumerate(taps):
            readout = self.readout_projects[index](torch.cat([patches, cls_token.expand_as(patches)], dim=-1))
            fused.append(self.projections[index](readout) * weights[index])
        return torch.stack(fused).sum(0)


class SpatialDetailEnhancer(nn.Module):
    """Residual depthwise 3x3 convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, feature: Tensor) -> Tensor:
        """``[B, width, H, W]`` to the same."""
        return torch.relu(self.norm(self.dwconv(feature)) + feature)


def _conv_norm(channels: int, width: int, *, bias: bool = False) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 3, padding=1, bias=bias), nn.BatchNorm2d(width), nn.ReLU()]


class UpsampleX4(nn.Module):
    """Two DySample x2 steps, each followed by a convolution."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.dysample1 = nn.Sequential(DySample(width, groups), *_conv_norm(width, width))
        self.dysample2 = nn.Sequential(DySample(width, groups), *_conv_norm(width, width))

    def forward(self, feature: Tensor) -> Tensor:
        """``[B, width, H, W]`` to ``[B, width, 4H, 4W]``."""
        return self.dysample2(self.dysample1(feature))  # type: ignore[no-any-return]


def _in_float32(convolution: nn.Module, feature: Tensor) -> Tensor:
    """A convolution at full precision, in a half-precision model and under autocast too.

    Flow in bfloat16 would be rounded to 0.25 px at 32 px and to 1 px at 128 px.
    """
    assert isinstance(convolution, nn.Conv2d)
    assert convolution.bias is not None
    precise = torch.promote_types(feature.dtype, torch.float32)
    device = feature.device.type
    # Entered only where it changes something: it would leave a region of its own in an exported graph.
    off = torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()
    with off:
        return F.conv2d(feature.to(precise), convolution.weight.to(precise), convolution.bias.to(precise))


class FlowHead(nn.Module):
    """From the tapped tokens of two frames to flow at full resolution."""

    def __init__(self, token_width: int, config: HeadConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        motion_channels = (2 * config.radius + 1) ** 2 + width
        first, second = config.output_widths
        self.weighted_fusion = WeightedFusion(token_width, width)
        self.motion_encoder = nn.Sequential(*_conv_norm(motion_channels, width), *_conv_norm(width, width))
        self.detail_enhancer = SpatialDetailEnhancer(width)
        self.upsample_1 = UpsampleX4(width, config.groups)
        self.refinement_1 = nn.Sequential(*_conv_norm(width, width, bias=True))
        self.upsample_2 = UpsampleX4(width, config.groups)
        self.refinement_2 = nn.Sequential(*_conv_norm(width, width, bias=True))
        self.output_conv = nn.Sequential(
            nn.Conv2d(width, first, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(first, second, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(second, 2, 1),
        )

    def forward(self, taps: list[tuple[Tensor, Tensor]], rows: int, columns: int) -> Tensor:
        """Flow from tokens.

        Args:
            taps: Four of patch tokens ``[2B, rows * columns, C]`` and CLS token ``[2B, 1, C]``; frame 1 of
                the whole batch first, then frame 2.
            rows: Height of the token grid, H / 16.
            columns: Width of the token grid, W / 16.

        Returns:
            Flow in px, float32 ``[B, 2, H, W]``, u to the right and v down, frame 1 to frame 2.
        """
        return self.decode(*self.compare(taps, rows, columns))

    def compare(self, taps: list[tuple[Tensor, Tensor]], rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """What two frames have to do with each other, on the token grid.

        Args:
            taps: As ``forward`` takes them.
            rows: H / 16.
            columns: W / 16.

        Returns:
            Cost volume ``[B, (2 radius + 1)^2, rows, columns]`` and feature difference
            ``[B, width, rows, columns]``.
        """
        return self.compare_features(*self.features(taps, rows, columns))

    def features(self, taps: list[tuple[Tensor, Tensor]], rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """First step of ``compare``: the features of each frame, ``[B, width, rows, columns]``."""
        fused = self.weighted_fusion(taps).transpose(1, 2)
        # Not chunk: its number of chunks would bind an exported graph to the traced batch.
        feature1, feature2 = fused.reshape(2, -1, fused.shape[1], rows, columns).unbind(0)
        return feature1, feature2

    def compare_features(self, feature1: Tensor, feature2: Tensor) -> tuple[Tensor, Tensor]:
        """Last step of ``compare``, from the first frame's features to the second's."""
        return self.cost_volume(feature1, feature2), feature2 - feature1

    def cost_volume(self, feature1: Tensor, feature2: Tensor) -> Tensor:
        """The local correlation of two frames' features, as ``local_correlation`` gives it."""
        return local_correlation(feature1, feature2, self.config.radius)

    def decode(self, volume: Tensor, difference: Tensor) -> Tensor:
        """Flow at full resolution from what ``compare`` gives."""
        return self.full_flow(self.quarter_features(self.motion_features(volume, difference)))

    def motion_features(self, volume: Tensor, difference: Tensor) -> Tensor:
        """First step of ``decode``: ``[B, width, H/16, W/16]``."""
        return self.detail_enhancer(self.motion_encoder(torch.cat([volume, difference], dim=1)))  # type: ignore[no-any-return]

    def quarter_features(self, motion: Tensor) -> Tensor:
        """Second step of ``decode``: ``[B, width, H/4, W/4]``."""
        return self.refinement_1(self.upsample_1(motion))  # type: ignore[no-any-return]

    def full_flow(self, quarter: Tensor) -> Tensor:
        """Last step of ``decode``: flow in px, float32 ``[B, 2, H, W]``."""
        full = self.refinement_2(self.upsample_2(quarter))
        return _in_float32(self.output_conv[-1], self.output_conv[:-1](full))
