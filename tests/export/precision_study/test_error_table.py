"""The error table measures what it says, and its figures are those the float32 parts were chosen by."""

import copy
import math

import pytest
import torch
from torch.nn import functional as F
from typer.testing import CliRunner

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.cli.error_table import error_tables
from dinoflow_deploy.export.graph.attention import attention
from dinoflow_deploy.export.lowering import prepare_module
from dinoflow_deploy.export.precision_study.error_table import ErrorTable, measure_errors
from dinoflow_deploy.export.precision_study.float32_parts import ISLANDS
from dinoflow_deploy.export.precision_study.rounding import FloatSums
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig
from tests.export.lively import scene_images

pytestmark = pytest.mark.slow

SIZE = (96, 160)


@pytest.fixture(scope="module")
def trained() -> FlowModel:
    return FlowModel.from_pretrained(FlowModelConfig("nano")).eval()


@pytest.fixture(scope="module")
def table(trained: FlowModel) -> ErrorTable:
    return measure_errors(trained, SIZE)


def test_every_block_errs_and_bf16_errs_eight_times_as_much(table: ErrorTable) -> None:
    names = [block.name for block in table.blocks]
    assert names[0] == "patch embedding"
    assert sum(name.startswith("transformer block") for name in names) == 4
    assert names[-7:-1] == [
        *("cost volume", "motion encoder", "detail enhancer", "x4 stage 1", "x4 stage 2"),
        "output convolutions",
    ]
    for block in table.blocks[:-1]:
        # Three bits fewer: 8 times the error, but for what chance does.
        assert 1e-4 < block.relative["fp16"] < 4e-3, block.name
        assert 4 < block.relative["bf16"] / block.relative["fp16"] < 16, block.name
        assert 0 < block.flow["fp16"].mean_px < block.flow["bf16"].mean_px < block.flow["bf16"].max_px


def test_the_blocks_make_up_the_whole(table: ErrorTable) -> None:
    """Errors of independent blocks add in squares; the sum is not far from the whole."""
    *blocks, whole = table.blocks
    for precision in ("fp16", "bf16"):
        sum_px = math.hypot(*(block.flow[precision].mean_px for block in blocks))
        assert 0.3 < whole.flow[precision].mean_px / sum_px < 3


def test_values_and_attention_scores_of_the_trained_model_are_far_from_overflow(table: ErrorTable) -> None:
    whole = table.blocks[-1]
    assert whole.score is not None
    assert 10 < whole.score < 100
    assert 10 < whole.largest < 1000
    scored = [block.name for block in table.blocks[:-1] if block.score is not None]
    assert scored == [f"transformer block {index}" for index in range(4)]


def test_each_float32_part_would_err_by_itself(table: ErrorTable) -> None:
    assert [island.is_float32 for island in table.islands] == [True] * 4 + [False] * 3
    whole = table.blocks[-1]
    for island in table.islands:
        for precision in ("fp16", "bf16"):
            assert island.alone[precision].mean_px > 1e-4, island.name
            # The switch changes something, and breaks nothing.
            ratio = island.switched[precision].mean_px / whole.flow[precision].mean_px
            assert ratio != 1, island.name
            assert 0.3 < ratio < 3, island.name


def test_an_overflow_is_infinite(trained: FlowModel) -> None:
    model = copy.deepcopy(trained)
    with torch.no_grad():
        # Scores beyond 65504 in the first block alone.
        model.backbone.blocks[0].attention.query.weight *= 6e3
        model.backbone.blocks[0].attention.query.bias *= 6e3
    found = measure_errors(model, (64, 64))
    block = next(block for block in found.blocks if block.name == "transformer block 0")
    assert block.score is not None
    assert block.score > 65504
    assert block.largest > 65504
    assert block.flow["fp16"].mean_px == math.inf
    assert block.flow["bf16"].mean_px < math.inf
    assert any("inf" in row for table in error_tables(found) for row in table.rows)


def test_a_switched_flow_is_the_low_precision_convolution(trained: FlowModel) -> None:
    """The island of the flow against PyTorch's own bfloat16 convolution, which also sums in float32."""
    low = prepare_module(trained, torch.bfloat16)
    switched = copy.deepcopy(low)
    ISLANDS[3].switch(switched, torch.bfloat16)
    seen: list[torch.Tensor] = []
    switched.head.output_conv[-2].register_forward_hook(lambda *call: seen.append(call[-1]))
    images = scene_images(1, 64, 96)
    with torch.no_grad(), FloatSums():
        flow = switched(*images)
    last = trained.head.output_conv[-1]
    expected = F.conv2d(seen[0], last.weight.bfloat16(), last.bias.bfloat16()).float()
    torch.testing.assert_close(flow, expected, rtol=2**-7, atol=2**-8)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_sums_are_float32_and_results_are_rounded(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(48, 48, generator=generator).to(dtype) for _ in range(2))
    with torch.no_grad(), FloatSums() as sums:
        found = left @ right
    exact = left.double() @ right.double()
    assert found.dtype == dtype
    # Half a unit in the last place, and what float32 does to the sum.
    torch.testing.assert_close(found.double(), exact, rtol=torch.finfo(dtype).eps * 0.51, atol=1e-5)
    assert sums.largest == float(found.abs().max())
    with FloatSums() as untouched:
        left.float() @ right.float()
    assert untouched.largest == 0


def test_attention_scales_q_and_k_before_their_product() -> None:
    """Scores that would overflow float16 if they were scaled afterwards do not."""
    query = torch.full((1, 1, 4, 64), 40.0)
    assert float((query @ query.transpose(2, 3)).max()) > 65504
    value = torch.randn(1, 1, 4, 64, generator=torch.Generator().manual_seed(0))
    with FloatSums() as sums:
        mixed = attention(query.half(), query.half(), value.half())
    assert sums.largest == pytest.approx(40 * 40 * 64 / 8, rel=0.01)
    expected = F.scaled_dot_product_attention(query, query, value)
    torch.testing.assert_close(mixed.float(), expected, rtol=0, atol=2e-3)


def test_the_command_prints_both_tables() -> None:
    result = CliRunner().invoke(app, ["export", "--model", "nano", "--error-table", "--size", "64x96"])
    assert result.exit_code == 0, result.output
    for part in (
        "**blocks: nano, 64x96",
        "x4 stage 2",
        "everything",
        "| sampling positions",
        "bf16 switched",
    ):
        assert part in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give it, or --error-table"),
        (
            ["--error-table", "--output", "bundle"],
            "--output has no meaning here: --error-table exports nothing",
        ),
        (["--error-table", "--target", "tensorrt"], "--target has no meaning here"),
        (["--error-table", "--precision", "bf16"], "--precision has no meaning here"),
        (["--error-table", "--min", "64x64"], "--min has no meaning here"),
        (["--error-table", "--no-verify"], "--no-verify has no meaning here"),
    ],
)
def test_what_is_for_exports_alone_is_not_ignored(arguments: list[str], message: str) -> None:
    result = CliRunner().invoke(app, ["export", "--model", "nano", *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())
