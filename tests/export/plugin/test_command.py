"""``dinoflow-deploy plugin`` with a stand-in for nvcc."""

import pytest
from typer.testing import CliRunner, Result

from dinoflow_deploy.cli.app import app
from dinoflow_deploy.export.plugin.files import PTX_FILE
from dinoflow_deploy.export.plugin.library import find_library
from dinoflow_deploy.tensorrt import flavours
from dinoflow_deploy.tensorrt.flavours import RTX
from tests.export.plugin.conftest import StandIn
from tests.tensorrt_model.fixtures import Install
from tests.tensorrt_model.flavours import TENSORRT_10

trt = pytest.importorskip("tensorrt_rtx_bindings")


def plugin(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plugin", *arguments, "--flavour", "rtx"])


def test_build_then_show(stand_in: StandIn) -> None:
    done = plugin("build")
    assert done.exit_code == 0, done.stderr
    library = find_library(RTX, trt.__version__)
    assert library is not None
    assert done.stdout.strip() == str(library)
    assert str(library.path) in done.stdout
    assert f"for rtx {trt.__version__}" in done.stdout
    assert "sm_80, sm_90 by nvcc 13.0.88, headers 11.1.0" in done.stdout

    done = plugin("show")
    assert done.exit_code == 0, done.stdout
    assert done.stdout.startswith(f"compiled  {library}\n")
    assert f"up to date at {PTX_FILE}" in done.stdout
    assert f"11.1.0 in {stand_in.root}/include" in done.stdout


def test_architectures_reach_the_compiler(stand_in: StandIn) -> None:
    assert plugin("build", "--architectures", "90, 120").exit_code == 0
    assert "code=[sm_120,compute_120]" in stand_in.calls[0]


def test_show_lists_what_is_missing(stand_in: StandIn) -> None:
    (stand_in.root / "include" / "NvInferVersion.h").unlink()
    done = plugin("show")
    assert done.exit_code == 1
    assert "compiled  nothing yet" in done.stdout
    assert "headers   MISSING: TensorRT's C++ headers were not found" in done.stdout


def test_show_says_why_tensorrt_does_not_load(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ImportError("libtensorrt_rtx.so.1: cannot open shared object file")

    monkeypatch.setattr(flavours, "require", fail)
    done = plugin("show")
    assert done.exit_code == 1
    assert (
        "rtx       MISSING: TensorRT-RTX is installed and does not load: libtensorrt_rtx.so.1: cannot"
        in done.stdout
    )
    assert "nvcc      13.0.88" in done.stdout


def test_show_says_why_tensorrt_takes_no_ahead_of_time_plugin(
    stand_in: StandIn, install_tensorrt: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_tensorrt(TENSORRT_10)
    for numpy, line in (("2.4.0", "MISSING: tensorrt.plugin of TensorRT 10.16.1"), ("2.3.5", "up to date")):
        monkeypatch.setattr("numpy.__version__", numpy)
        done = CliRunner().invoke(app, ["plugin", "show", "--flavour", "tensorrt"])
        assert f"PTX       {line}" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--architectures", "sm_90"), 2, "--architectures is sm_90"),
        (("--architectures", "60"), 1, "from 75"),
        (("--tensorrt-root", "/nowhere"), 1, "/nowhere/include"),
    ],
)
def test_what_cannot_be_built_is_refused(
    stand_in: StandIn, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = plugin("build", *arguments)
    assert done.exit_code == code
    assert message in done.stderr.replace("\n", " ")
    assert stand_in.calls == []
