"""Noise that is normal, of each key and stream its own."""

import pytest
import torch

from dinoflow_deploy.train.torch_scenes.noise import normal_noise

CPU = torch.device("cpu")


def test_noise_is_normal_and_each_key_and_stream_has_its_own() -> None:
    keys = torch.tensor([[1, 2], [1, 3], [2, 2], [-5, 7]], dtype=torch.int32)
    noise = torch.cat([normal_noise(keys, (3, 64, 64), stream).flatten(2) for stream in (0, 1)], 1)
    rows = noise.permute(1, 0, 2).reshape(8, -1).double()
    count = rows.shape[1]
    assert rows.mean(1).abs().max() < 4 / count**0.5
    torch.testing.assert_close(rows.std(1), torch.ones(8).double(), atol=4 / (2 * count) ** 0.5, rtol=0)
    assert (rows**4).mean().item() == pytest.approx(3, abs=4 * (96 / rows.numel()) ** 0.5)
    assert rows.abs().max() > 3.5
    neighbours = torch.cat([rows[:, :-1], rows[:1, 1:]])
    correlation = torch.corrcoef(torch.cat([rows[:, :-1], rows[:1, 1:]])) - torch.eye(len(neighbours))
    assert correlation.abs().max() < 5 / count**0.5
    assert torch.equal(
        normal_noise(keys[2:3], (3, 64, 64), 1)[:, 0], normal_noise(keys, (3, 64, 64), 1)[:, 2]
    )
