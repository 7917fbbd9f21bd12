import pytest
import torch

from dinoflow_deploy.errors import FileFormatError, ModelError
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, HeadConfig, load_model, save_model

NANO = FlowModelConfig("nano")


def test_published_decoder_has_its_published_size():
    head = FlowModel(FlowModelConfig("vits16")).head
    assert sum(parameter.numel() for parameter in head.parameters()) == 6_884_710


def test_decoder_names_are_those_of_the_published_trunk():
    names = set(FlowModel(NANO).head.state_dict())
    expected = {
        "weighted_fusion.readout_projects.3.0.bias",
        "weighted_fusion.projections.0.0.weight",
        "weighted_fusion.layer_weights",
        "motion_encoder.0.weight",
        "detail_enhancer.dwconv.weight",
        "detail_enhancer.norm.running_mean",
        "upsample_1.dysample1.0.offset.weight",
        "upsample_2.dysample2.0.scope.weight",
        "upsample_1.dysample2.0.init_pos",
        "upsample_2.dysample1.1.weight",
        "refinement_2.0.bias",
        "refinement_1.1.running_var",
        "output_conv.4.weight",
    }
    assert expected <= names
    assert "weighted_fusion.projections.0.0.bias" not in names


@pytest.mark.parametrize("size", [(16, 16), (32, 80), (112, 48)], ids=str)
def test_flow_has_the_size_of_the_images(size):
    model = FlowModel(NANO).eval()
    with torch.no_grad():
        flow = model(torch.rand(2, 3, *size), torch.rand(2, 3, *size))
    assert flow.shape == (2, 2, *size)
    assert flow.dtype == torch.float32


def test_pairs_of_a_batch_do_not_mix():
    torch.manual_seed(0)
    model = FlowModel(NANO).eval()
    image1, image2 = torch.rand(2, 3, 3, 48, 64)
    with torch.no_grad():
        together = model(image1, image2)
        alone = model(image1[1:2], image2[1:2])
    torch.testing.assert_close(together[1:2], alone, atol=1e-4, rtol=1e-4)


def test_gradients_of_a_small_model():
    torch.manual_seed(0)
    model = FlowModel(FlowModelConfig("nano", HeadConfig(width=4, radius=1, groups=2, output_widths=(2, 2))))
    model = model.double().eval()
    # The flow is float32 in every model; its gradient is compared along one random direction.
    image1, image2 = torch.rand(2, 1, 3, 16, 16, dtype=torch.float64)
    parameter = model.head.motion_encoder[0].weight
    weights = torch.randn(1, 2, 16, 16)
    direction = torch.randn_like(parameter)

    def objective(step: float) -> torch.Tensor:
        moved = {"head.motion_encoder.0.weight": parameter + step * direction}
        return (torch.func.functional_call(model, moved, (image1, image2)) * weights).sum()

    (gradient,) = torch.autograd.grad(objective(0.0), parameter)
    numeric = (objective(1e-3) - objective(-1e-3)).item() / 2e-3
    assert (gradient * direction).sum().item() == pytest.approx(numeric, rel=2e-2, abs=1e-4)


def test_complete_model_survives_a_file(tmp_path):
    model = FlowModel(FlowModelConfig("nano", HeadConfig(width=16, radius=3, output_widths=(8, 4)))).eval()
    save_model(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.config.head_config == model.config.head_config
    for name, value in model.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name]), name


def test_head_state_dict_round_trip():
    first, second = FlowModel(NANO), FlowModel(NANO)
    second.head.load_state_dict(first.head.state_dict())
    assert all(map(torch.equal, first.head.parameters(), second.head.parameters()))


@pytest.mark.parametrize("damage", ["missing", "truncated", "text", "no configuration"])
def test_refuses_what_is_no_model(tmp_path, damage):
    path = tmp_path / "model.safetensors"
    if damage == "no configuration":
        from safetensors.torch import save_file

        save_file({"x": torch.zeros(1)}, path)
        with pytest.raises(ModelError, match="holds no model configuration"):
            load_model(path)
        return
    save_model(FlowModel(NANO), path)
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.write_text("not weights")
    with pytest.raises(FileFormatError, match=r"model\.safetensors"):
        load_model(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FlowModelConfig("vits14"), "unknown backbone 'vits14'"),
        (lambda: HeadConfig(radius=9), "radius is 9"),
        (lambda: HeadConfig(width=30), "width is 30"),
    ],
)
def test_refuses_impossible_sizes(make, message):
    with pytest.raises(ModelError, match=message):
        make()


def test_flow_is_float32_under_autocast_and_in_half_precision():
    torch.manual_seed(0)
    model = FlowModel(NANO).eval()
    with torch.no_grad():
        # Flow of hundreds of px, which bfloat16 would space a whole px apart.
        model.head.output_conv[-1].bias.fill_(300.3)
    image1, image2 = torch.rand(2, 1, 3, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        autocast = model(image1, image2)
    with torch.no_grad():
        half = model.bfloat16()(image1, image2)
    for flow, bias in ((autocast, 300.3), (half, 300.0)):
        assert flow.dtype == torch.float32
        assert not torch.equal(flow, flow.bfloat16().float())
        assert (flow - bias).abs().max() < 2
