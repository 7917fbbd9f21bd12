import dataclasses

import pytest
import torch

from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, load_model, save_model
from dinoflow_deploy.train.trainer import train
from tests.train.micro import CPU, micro_recipe

pytestmark = pytest.mark.slow


def test_frozen_statistics_stay_and_weights_learn(tmp_path, micro):
    recipe = micro_recipe(tmp_path)
    stages = tuple(dataclasses.replace(stage, freeze_batch_norm=True) for stage in recipe.stages)
    recipe = dataclasses.replace(recipe, stages=stages)
    torch.manual_seed(0)
    start = FlowModel(FlowModelConfig(micro))
    start.head.detail_enhancer.norm.running_mean.fill_(0.3)
    save_model(start, tmp_path / "start.safetensors")
    train(recipe, tmp_path / "run", CPU, init_from=tmp_path / "start.safetensors")
    trained = load_model(tmp_path / "run/last.safetensors").state_dict()
    for name, value in start.state_dict().items():
        statistic = name.endswith(("running_mean", "running_var", "num_batches_tracked"))
        if statistic:
            assert torch.equal(value, trained[name]), name
    weight = "head.motion_encoder.0.weight"
    assert not torch.equal(start.state_dict()[weight], trained[weight])
