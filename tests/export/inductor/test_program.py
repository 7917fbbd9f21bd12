import pytest
import torch

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.inductor.program import Form, program_of
from tests.quick_model import QuickModel

pytestmark = pytest.mark.slow

SIDE = AxisRange(64, 96, 160)


def test_a_program_takes_every_shape_of_its_range_and_no_other() -> None:
    inputs = InputRange(AxisRange(1, 1, 4), SIDE, AxisRange.fixed(80))
    model = QuickModel()
    program = program_of(model, Form("fp32", inputs, "images", "cpu")).module()
    with torch.no_grad():
        for batch, height in ((1, 64), (4, 160)):
            images = torch.rand(2, batch, 3, height, 80)
            torch.testing.assert_close(program(*images), model(*images), rtol=0, atol=1e-4)
        for shape in ((5, 3, 64, 64), (2, 3, 176, 80), (2, 3, 64, 48)):
            with pytest.raises((AssertionError, RuntimeError)):
                program(*torch.rand(2, *shape))


def test_weights_are_folded_cast_and_in_nhwc_and_frames_are_taken() -> None:
    inputs = InputRange(*map(AxisRange.fixed, (1, 64, 64)))
    program = program_of(QuickModel(), Form("bf16", inputs, "frames", "cpu"))
    weights = program.state_dict
    assert not any("running" in name for name in weights)
    assert weights["model.head.motion_encoder.0.weight"].dtype == torch.bfloat16
    assert weights["model.head.output_conv.4.weight"].dtype == torch.float32
    assert weights["model.head.motion_encoder.0.weight"].is_contiguous(memory_format=torch.channels_last)
    assert not weights["model.head.motion_encoder.0.weight"].is_contiguous()
    frames = torch.randint(256, (2, 1, 64, 64, 3), dtype=torch.uint8)
    images = (frames / 255).permute(0, 1, 4, 2, 3)
    with torch.no_grad():
        found, wanted = program.module()(*frames), QuickModel()(*images)
    assert (found - wanted).norm() < 0.1 * wanted.norm()


class _Fixed(QuickModel):
    def forward(self, image1: torch.Tensor, image2: torch.Tensor) -> torch.Tensor:
        return image1[:, :2].reshape(1, 2, 96, 96)


def test_a_model_of_one_shape_is_refused_for_a_range() -> None:
    with pytest.raises(ExportError, match=r"torch cannot export the model for batch 1, height 64\.\.160"):
        program_of(_Fixed(), Form("fp32", InputRange(AxisRange.fixed(1), SIDE, SIDE), "images", "cpu"))
