import pytest

from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, HeadConfig
from dinoflow_deploy.train.model.config import BACKBONES
from tests.train.model.test_backbone import SMALL

SMALL_HEAD = HeadConfig(width=8, radius=1, groups=2, output_widths=(4, 4))


@pytest.fixture
def small_model(monkeypatch: pytest.MonkeyPatch) -> FlowModel:
    """A model whose backbone is the small one of the tests, under the name of the published one."""
    monkeypatch.setitem(BACKBONES, "vits16", SMALL)
    return FlowModel(FlowModelConfig("vits16", SMALL_HEAD)).eval()
