"""Model and losses as one module, so that DistributedDataParallel sees one forward pass."""

import torch
from torch import Tensor, nn

from dinoflow_deploy.train.batches import Batch
from dinoflow_deploy.train.loss import masked_l1, matching_loss, mean_flow
from dinoflow_deploy.train.model import FlowModel
from dinoflow_deploy.train.recipe import Stage

READOUT_SCALE = 8.0
"""Px of flow per unit of a feature that is read as flow: normalised features are of order one."""


class Objective(nn.Module):
    """What a training step minimises.

    A decoder that learns from scratch under the flow loss alone hardly finds the cost volume. So its features
    on the way can be supervised too, coarse to fine (deep supervision, Lee et al. 2015, arXiv:1409.5185), by
    reading flow off four of their channels, which takes no weights of its own.
    """

    def __init__(self, model: FlowModel, flow_cap: float) -> None:
        super().__init__()
        self.model = model
        self.flow_cap = flow_cap

    def forward(self, stage: Stage, batch: Batch) -> Tensor:
        """The stage's weighted losses on a batch, a scalar; what no loss needs is not computed."""
        head = self.model.head
        volume, difference = self.model.compare(batch.image1, batch.image2)
        total = volume.new_zeros((), dtype=torch.float32)
        if stage.matching_weight:
            matching = matching_loss(volume, batch.flow, batch.valid, head.config.radius)
            total = total + stage.matching_weight * matching
        if not (stage.coarse_weight or stage.quarter_weight or stage.flow_weight):
            return total
        motion = head.motion_features(volume, difference)
        if stage.coarse_weight:
            total = total + stage.coarse_weight * self._reduced_loss(motion, batch)
        if not (stage.quarter_weight or stage.flow_weight):
            return total
        quarter = head.quarter_features(motion)
        if stage.quarter_weight:
            total = total + stage.quarter_weight * self._reduced_loss(quarter, batch)
        if stage.flow_weight:
            flow = head.full_flow(quarter)
            loss = masked_l1(flow, batch.flow, batch.valid, self.flow_cap, stage.flow_exponent)
            total = total + stage.flow_weight * loss
        return total

    def _reduced_loss(self, feature: Tensor, batch: Batch) -> Tensor:
        """Loss of the flow read off features of a lower resolution, against the mean flow of their pixels."""
        stride = batch.flow.shape[2] // feature.shape[2]
        truth, whole = mean_flow(batch.flow, batch.valid, stride)
        return masked_l1(read_flow(feature), truth, whole, self.flow_cap)


def read_flow(feature: Tensor) -> Tensor:
    """Flow in px off rectified features ``[B, C, H, W]``: u is channel 0 less 1, v is 2 less 3."""
    signed = feature[:, :4].float()
    return READOUT_SCALE * torch.stack([signed[:, 0] - signed[:, 1], signed[:, 2] - signed[:, 3]], dim=1)
