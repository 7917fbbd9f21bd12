"""Models with random weights whose flow looks like flow: it varies over the frame, by some ten pixels."""

import torch
from torch import nn

from dinoflow_deploy.datasets import SceneConfig, SyntheticScenes
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig
from dinoflow_deploy.train.model.dysample import DySample

FLOW_SPREAD_PX = 10.0


def lively_model(name: str, seed: int = 0) -> FlowModel:
    """A model as it comes from its constructor returns almost the same flow everywhere, and hides errors.

    Batch statistics are set from a scene, LayerScale and DySample's scope are opened, and the last
    convolution is scaled so that flow has a spread of ``FLOW_SPREAD_PX``.
    """
    torch.manual_seed(seed)
    model = FlowModel(FlowModelConfig(name))
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter_name.endswith((".scale1", ".scale2")):
                parameter.copy_(torch.empty_like(parameter).uniform_(0.1, 0.5))
            elif parameter_name.endswith(("cls_token", "register_tokens", "layer_weights")):
                parameter.copy_(torch.randn_like(parameter))
        for module in model.modules():
            if isinstance(module, DySample):
                for convolution in (module.scope, module.offset):
                    nn.init.normal_(convolution.weight, std=0.5 * convolution.in_channels**-0.5)
            elif isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
        images = scene_images(2, 96, 96)
        model.train()(*images)
        flow = model.eval()(*images)
        output = model.head.output_conv[-1]
        factor = FLOW_SPREAD_PX / flow.std()
        output.weight *= factor
        output.bias.copy_((output.bias - flow.mean((0, 2, 3))) * factor)
    return model


def scene_images(batch: int, height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs of synthetic scenes in tensor form, ``[batch, 3, height, width]`` in [0, 1]."""
    scenes = SyntheticScenes(SceneConfig(height=height, width=width, max_motion=8), seed=1, length=batch)
    pairs = [(scenes[index].frame1, scenes[index].frame2) for index in range(batch)]
    first, second = (
        torch.stack([torch.from_numpy(pair[side]).permute(2, 0, 1) / 255 for pair in pairs])
        for side in (0, 1)
    )
    return first, second
