"""Which plan is loaded, and what is said when TensorRT does not take it; on the model."""

from pathlib import Path
from typing import Any

import pytest

from dinoflow_deploy.engines.tensorrt.engine import TensorRTEngine
from dinoflow_deploy.engines.tensorrt.mismatch import Machine, causes
from dinoflow_deploy.engines.tensorrt.plan import find_plan
from dinoflow_deploy.errors import EngineError, FileFormatError, InputError
from dinoflow_deploy.tensorrt import flavours
from tests.engines.tensorrt.conftest import WritePlan, plan_info
from tests.inspection.rtx_plans import small_plan
from tests.small_bundles import WriteBundle
from tests.tensorrt_model.flavours import TENSORRT_10
from tests.tensorrt_model.module import TensorRT

HERE = Machine("TensorRT", "11.4.0.106", "9.0")


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(EngineError) as refused:
        TensorRTEngine(path, **options)
    return str(refused.value)


def test_another_version_is_named_with_the_command_that_rebuilds(
    trt: TensorRT, write_planned: WritePlan
) -> None:
    folder = write_planned(plan={"modelled": TENSORRT_10}, version="10.16.1.11")
    assert refusal(folder) == (
        f"TensorRT 11.4.0.106 cannot load {folder}/tensorrt.plan: it was built by TensorRT 10.16.1.11, and "
        "11.4.0.106 is installed: a plan runs on the version that built it.\n"
        f"Build it again: dinoflow-deploy export --model {folder} --target tensorrt --output NEW (TensorRT "
        "says: The engine plan file is not compatible with this version of TensorRT, expecting library "
        "version 11.4.0.106 got 10.16.1.11, please rebuild.)"
    )


def test_another_gpu_is_named(trt: TensorRT, write_planned: WritePlan) -> None:
    folder = write_planned(plan={"capability": (8, 9)}, compute_capabilities=("8.9",), gpu="NVIDIA L4")
    message = refusal(folder)
    assert "built for compute capability 8.9 on NVIDIA L4, and this GPU has 9.0" in message
    assert f"export --model {folder} --target tensorrt --output NEW" in message


def test_every_known_cause_is_told() -> None:
    info = plan_info(version="10.16.1.11", compute_capabilities=("12.0",), gpu=None)
    assert len(causes(info, HERE, "")) == 2


def test_a_plan_for_newer_gpus_than_ampere_fits() -> None:
    info = plan_info(compute_capabilities=("8.6",), hardware_compatibility="ampere-plus")
    assert causes(info, HERE, "") == []
    assert causes(info, Machine("TensorRT", "11.4.0.106", "8.0"), "") == []
    assert causes(info, Machine("TensorRT", "11.4.0.106", "7.5"), "") != []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"modelled": TENSORRT_10}, "built by another version than TensorRT 11.4.0.106, which is installed"),
        ({"capability": (8, 6)}, "built for another GPU than this one of compute capability 9.0"),
        ({"plugin": "library"}, "needs the plugin of the local correlation and does not hold it"),
        (
            {"libraries": ("plugin.so",)},
            "native code, .* name the folder of its bundle, or load .* allow_host_code=True",
        ),
    ],
)
def test_a_bare_plan_is_explained_by_what_tensorrt_says(
    trt: TensorRT, write_plan: WritePlan, changes: dict[str, Any], message: str
) -> None:
    path = write_plan(**changes)
    with pytest.raises(EngineError, match=message):
        TensorRTEngine(path)
    assert "dinoflow-deploy export --model BUNDLE --target tensorrt --output NEW" in refusal(path)


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("Serialization assertion stdVersionRead == kSERIALIZATION_VERSION failed.", "by another version"),
        ("Version tag does not match. Note: Current Version: 239, Serialized Engine Version: 236", "version"),
        ("Serialization assertion creator failed.", "needs the plugin"),
        ("Cannot find plugin: LocalCorrelation, version: 1, namespace:dinoflow.", "needs the plugin"),
        ("Cannot deserialize engine with lean runtime since IRuntime::getEngineHostCodeAllowed() is false.",
         "native code"),
        ("The engine plan file is generated on an incompatible device, expecting compute 9.0", "another GPU"),
    ],
)  # fmt: skip
def test_the_words_of_tensorrt_are_understood(said: str, cause: str) -> None:
    """As they stand in its libraries."""
    (found,) = causes(None, HERE, said)
    assert cause in found


def test_a_plugin_of_another_processor(trt: TensorRT, write_planned: WritePlan) -> None:
    assert "x86_64 or aarch64" in refusal(write_planned(plan={"plugin": "library"}, plugin="cpp"))


def test_a_damaged_plan(trt: TensorRT, write_plan: WritePlan) -> None:
    path = write_plan()
    path.write_bytes(b"nothing of the kind" * 4)
    assert "it may be damaged, or no plan." in refusal(path)
    assert "magicTagRead" in refusal(path)


def test_a_tensorrt_that_does_not_start(trt: TensorRT, write_plan: WritePlan) -> None:
    trt.state.fail["Runtime"] = "CUDA initialization failure with error: 35"
    assert "(TensorRT says: CUDA initialization failure with error: 35)" in refusal(write_plan())


@pytest.mark.parametrize(("plugin", "allowed"), [("cpp", True), ("aot", False), ("none", False)])
def test_native_code_runs_where_the_manifest_says_that_it_is_our_plugin(
    trt: TensorRT, write_planned: WritePlan, plugin: str, allowed: bool
) -> None:
    folder = write_planned(plan={"libraries": ("plugin.so",) if plugin == "cpp" else ()}, plugin=plugin)
    TensorRTEngine(folder).close()
    assert trt.state.host_code is allowed


def test_native_code_of_a_bare_plan_runs_when_allowed(trt: TensorRT, write_plan: WritePlan) -> None:
    TensorRTEngine(write_plan(libraries=("plugin.so",)), allow_host_code=True).close()
    assert trt.state.host_code is True


def test_a_changed_plan_in_a_bundle_is_refused_unread(trt: TensorRT, write_planned: WritePlan) -> None:
    folder = write_planned()
    (folder / "tensorrt.plan").write_bytes(b"something else")
    with pytest.raises(FileFormatError, match=r"tensorrt\.plan is not the file that was exported"):
        TensorRTEngine(folder)
    assert trt.state.living == []


def test_what_is_not_there(trt: TensorRT, write_bundle: WriteBundle, write_planned, tmp_path) -> None:
    with pytest.raises(FileFormatError, match="is not there"):
        TensorRTEngine(tmp_path / "absent.plan")
    bundle = write_bundle("plain")
    with pytest.raises(InputError) as refused:
        TensorRTEngine(bundle)
    assert str(refused.value) == (
        f"{bundle} holds no TensorRT plan: dinoflow-deploy export --model {bundle} --target tensorrt "
        "--output NEW builds one"
    )
    planned = write_planned()
    with pytest.raises(
        InputError, match=r"for the flavour 'rtx' \(it holds one for tensorrt\).*--flavour rtx"
    ):
        TensorRTEngine(planned, flavour="rtx")
    with pytest.raises(InputError, match="flavour 'rtxx' of TensorRT is not known: use tensorrt, rtx"):
        TensorRTEngine(planned, flavour="rtxx")


@pytest.mark.parametrize(
    ("installed", "held", "wanted", "chosen"),
    [
        (("tensorrt", "rtx"), ("tensorrt", "rtx"), "auto", "tensorrt"),
        (("rtx",), ("tensorrt", "rtx"), "auto", "rtx"),
        (("tensorrt", "rtx"), ("rtx",), "auto", "rtx"),
        (("tensorrt", "rtx"), ("tensorrt", "rtx"), "rtx", "rtx"),
        # Not installed: the error of what is missing will say how to install it.
        ((), ("rtx",), "auto", "rtx"),
        ((), (), "auto", "tensorrt"),
        (("rtx",), (), "auto", "rtx"),
    ],
)
def test_the_flavour_is_the_first_that_is_installed_and_held(
    monkeypatch: pytest.MonkeyPatch, write_planned: WritePlan, write_plan, installed, held, wanted, chosen
) -> None:
    modules = {"tensorrt": "tensorrt", "tensorrt_rtx": "rtx"}
    monkeypatch.setattr(flavours, "is_installed", lambda module: modules.get(module) in installed)
    path = write_planned(flavours=held) if held else write_plan()
    plan = find_plan(path, wanted)
    assert plan.flavour.name == chosen
    assert plan.path.name == (f"{chosen}.plan" if held else "difference.plan")
    assert ("--flavour rtx" in plan.rebuild) == (chosen == "rtx")


@pytest.mark.parametrize("installed", [("tensorrt", "tensorrt_rtx"), ("tensorrt",)])
def test_a_bare_plan_of_rtx_is_known_by_its_header(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, installed: tuple[str, ...]
) -> None:
    """Where RTX is not installed, its plan is no reason to try TensorRT, which would call it damaged."""
    path = tmp_path / "bare.plan"
    path.write_bytes(small_plan(pytest.importorskip("tensorrt_rtx_bindings"), ("SM89",)))
    monkeypatch.setattr(flavours, "is_installed", lambda module: module in installed)
    assert find_plan(path, "auto").flavour.name == "rtx"
    assert find_plan(path, "tensorrt").flavour.name == "tensorrt"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileFormatError, match=r"bare\.plan is damaged: .* where its header says"):
        find_plan(path, "auto")
