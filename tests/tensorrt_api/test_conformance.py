"""Everything of TensorRT that the package uses is there in the real Python bindings of 10.16, 11.4, RTX."""

import inspect
import re
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import dinoflow_deploy
from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.engines.tensorrt import plan
from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.plugin.files import PTX_FILE
from dinoflow_deploy.export.plugin.plugin_choice import choose_plugin
from dinoflow_deploy.export.tensorrt import network, toolchain
from dinoflow_deploy.tensorrt.flavours import TENSORRT
from tests.tensorrt_api.api import Api
from tests.tensorrt_api.conftest import VERSIONS
from tests.tensorrt_api.source_names import (
    CLASS_OF,
    names_of_ours,
    names_of_python,
    read_sources,
    uses_in,
)
from tests.tensorrt_model.flavours import MODELLED, TENSORRT_11, Modelled
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.module import TensorRT, classes_of

pytestmark = pytest.mark.slow

SOURCES = read_sources(Path(dinoflow_deploy.__file__).parent)
FOLDERS = ("tensorrt/", "engines/tensorrt/", "export/tensorrt/", "export/plugin/", "inspection/plan_")
# These speak to CUDA alone; tests/engines/tensorrt/test_cuda.py and tests/export/plugin hold them to it.
CUDA_ALONE = ("cuda.py", "cuda_memory.py", "cuda_stream.py", "dlpack.py", "kernel.py")
CHECKED = [
    path
    for path in SOURCES
    if path.startswith(FOLDERS) and not path.endswith(tuple(f"/{n}" for n in CUDA_ALONE))
]
NOT_FOR_RTX = "export/plugin/aot.py"
RTX_ALONE = {"ComputeCapability", "ComputeCapability.__members__", "IBuilderConfig.set_compute_capability"}
# Set by Python when an object is made, so that its class does not list them.
PYTHONS_MORE = {"returncode", "stderr", "submodule_search_locations", "st_mtime", "st_size"}
FOREIGN = {"__dlpack__", "__dlpack_device__", "__cuda_array_interface__"}


@cache
def ours() -> set[str]:
    """Names that the package defines; only when asked for, since every process collects these tests."""
    return names_of_ours(SOURCES.values())


def problems(source: str, api: Api, *others: Api) -> list[str]:
    """What a source uses and a TensorRT does not have.

    What the source asks for before it uses it may be in one of the ``others`` alone.
    """
    uses = uses_in(source)
    known = ours() | FOREIGN | PYTHONS_MORE | names_of_python(source)
    sure = [path for path in sorted(uses.paths) if path.rpartition(".")[2] not in uses.asked]
    wrong = [problem for path in sure if (problem := api.problem(path))]
    wrong += [f"TensorRT {api.version} has no {name}" for name in sorted(uses.loose - known - api.all_names)]
    anywhere = known.union(api.all_names, *(each.all_names for each in others))
    return wrong + [f"no TensorRT has {name}" for name in sorted(uses.asked - anywhere)]


@pytest.mark.parametrize("path", CHECKED)
@pytest.mark.parametrize("version", VERSIONS)
def test_tensorrt_has_everything_that_a_source_uses(
    apis: dict[str, Api], rtx: Api, version: str, path: str
) -> None:
    found = problems(SOURCES[path], apis[version], rtx)
    alone = [apis[version].problem(each) for each in RTX_ALONE]
    assert [each for each in found if each not in alone] == []


@pytest.mark.parametrize("path", [path for path in CHECKED if path != NOT_FOR_RTX])
def test_tensorrt_rtx_has_everything_that_a_source_uses(apis: dict[str, Api], rtx: Api, path: str) -> None:
    assert problems(SOURCES[path], rtx, *apis.values()) == []


def may_be_called(parameters: list[str], given: list[str]) -> bool:
    """Whether an overload, whose parameters with a default end in "=", takes these and no more."""
    names = [each.rstrip("=") for each in parameters]
    return names[: len(given)] == given and all(each.endswith("=") for each in parameters[len(given) :])


def test_what_is_read_is_what_uses_tensorrt() -> None:
    """Each rule of the check is in use, so that renaming a variable does not switch it off."""
    paths = {path for each in CHECKED for path in uses_in(SOURCES[each]).paths}
    assert {path.partition(".")[0] for path in paths} >= set(CLASS_OF.values())
    assert {"IExecutionContext.execute_async_v3", "DataType.FLOAT", "Builder.create_network"} <= paths


def test_other_sources_use_names_of_the_module_alone(apis: dict[str, Api], rtx: Api) -> None:
    used = {path: re.findall(r"\btrt\.([\w.]+)", source) for path, source in SOURCES.items()}
    assert used["engines/tensorrt/backend.py"]
    for api in (*apis.values(), rtx):
        for path in SOURCES.keys() - CHECKED:
            assert [problem for name in used[path] if (problem := api.problem(name))] == []


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("trt.DataType.FLOTA", "DataType of TensorRT {} has no FLOTA"),
        ("self._trt.Bilder(logger)", "TensorRT {} has no Bilder"),
        ("target.module.ProfilingVerbosity.ALL", "ProfilingVerbosity of TensorRT {} has no ALL"),
        ("builder.create_netwerk(1)", "Builder of TensorRT {} has no create_netwerk"),
        ("self._context.execute_async_v33(1)", "IExecutionContext of TensorRT {} has no execute_async_v33"),
        # A name of another class.
        ("config.num_layers", "IBuilderConfig of TensorRT {} has no num_layers"),
        ("plan.engine.create_execution_contekst()", "TensorRT {} has no create_execution_contekst"),
        ("f(x)[0].get_outputt(1).dtype.name", "TensorRT {} has no get_outputt"),
        ("hasattr(config, 'num_compute_capabilitys')", "no TensorRT has num_compute_capabilitys"),
    ],
)
def test_a_misspelt_name_is_found(apis: dict[str, Api], source: str, problem: str) -> None:
    for version, api in apis.items():
        assert problems(source, api) == [problem.format(version)]


@pytest.mark.parametrize(
    ("source", "version"),
    [
        ("config.set_flag(trt.BuilderFlag.FP16)", "11.4.0.106"),
        ("builder.platform_has_fast_fp16", "11.4.0.106"),
        ("trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH", "11.4.0.106"),
        ("network.add_attention_v2(1)", "10.16.1.11"),
    ],
)
def test_a_name_of_one_version_alone_is_found(apis: dict[str, Api], source: str, version: str) -> None:
    assert {each for each, api in apis.items() if problems(source, api)} == {version}


def test_what_is_named_by_a_string_is_there(apis: dict[str, Api]) -> None:
    for api in apis.values():
        assert {"INPUT", "OUTPUT"} <= api.enums["TensorIOMode"].keys()
        assert {*plan._TYPES.values()} <= api.enums["DataType"].keys()
        assert set(toolchain._LEVELS.values()) == api.enums["HardwareCompatibilityLevel"].keys()
        assert network._PRECISION_OF.keys() <= api.enums["DataType"].keys()
        assert "PLUGIN_V3" in api.enums["LayerType"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_real_interface_runs_our_ahead_of_time_plugin(apis: dict[str, Api], version: str) -> None:
    """``tensorrt.plugin`` is Python: it checks names and annotations, and asks for shapes and launches."""
    driven = apis[version].driven
    assert driven is not None
    assert driven["names"] == "dinoflow::LocalCorrelation 1"
    static = InputRange(AxisRange.fixed(1), AxisRange.fixed(448), AxisRange.fixed(1024))
    module: Any = ModuleType("tensorrt")
    module.__version__, flags = version, apis[version].enums["NetworkDefinitionCreationFlag"]
    module.NetworkDefinitionCreationFlag = SimpleNamespace(**flags)
    if "error" in driven:
        # What the real one cannot do is refused beforehand, with the way out.
        with pytest.raises(InputError, match=r"cannot read the radius with NumPy .*'numpy<2\.4'"):
            choose_plugin("aot", module, TENSORRT, static, ("9.0",))
        return
    assert choose_plugin("aot", module, TENSORRT, static, ("9.0",)).name == "aot"
    for kind, entry in (("FLOAT", "fp32"), ("HALF", "fp16"), ("BF16", "bf16")):
        run = driven["runs"][kind]
        assert run["output"] == [kind, [2, 81, 28, 64]]
        assert run["formats"] == [[[each, "LINEAR"]] * 3 for each in ("FLOAT", "HALF", "BF16")]
        assert run["tactics"] == []
        ones = {"grid_y": 1, "grid_z": 1, "block_y": 1, "block_z": 1}
        assert run["launch"] == {"grid_x": 2 * 28 * 2 * 3, "block_x": 192, "shared_mem": 0, **ones}
        assert run["scalars"] == [["INT32", number] for number in (256, 28, 64, 4)]
        assert run["kernel"] == f"local_correlation_{entry}"
        assert run["ptx"] == ["bytes", PTX_FILE.stat().st_size]


@pytest.fixture(params=MODELLED, ids=lambda modelled: f"{modelled.flavour} {modelled.version}")
def modelled(request: pytest.FixtureRequest) -> Modelled:
    return request.param


@pytest.fixture
def real(modelled: Modelled, apis: dict[str, Api], rtx: Api) -> Api:
    """The bindings that are modelled."""
    return {**apis, rtx.version: rtx}[modelled.version]


@pytest.mark.parametrize("name", classes_of(TENSORRT_11))
def test_the_model_has_nothing_of_its_own(modelled: Modelled, real: Api, name: str) -> None:
    """And takes the same parameters: what runs on it calls the real one rightly."""
    members = inspect.getmembers(classes_of(modelled)[name])
    public = {each: value for each, value in members if not each.startswith("_")}
    assert public
    assert public.keys() - real.classes[name].keys() == set()
    for each, value in public.items():
        if inspect.isfunction(value):
            own = list(inspect.signature(value).parameters)[1:]
            overloads = real.classes[name][each] or ()
            assert any(may_be_called(overload, own) for overload in overloads), f"{name}.{each}"


def test_the_numbers_of_the_model_are_the_real_ones(modelled: Modelled, real: Api) -> None:
    for name, members in modelled.enums.items():
        assert members.items() <= real.enums[name].items()


def test_the_model_s_module_has_nothing_of_its_own(modelled: Modelled, real: Api) -> None:
    """But ``state``, which is for tests."""
    public = {name for name in vars(TensorRT(Machine(), modelled)) if not name.startswith("_")} - {"state"}
    public |= {name for name in vars(TensorRT) if not name.startswith("_")}
    assert public - {"plugin"} <= real.names
    assert ("plugin" in public) == bool(real.plugin_names)


def test_the_model_of_plugins_in_python_has_nothing_of_its_own(apis: dict[str, Api]) -> None:
    public = {name for name in vars(TensorRT(Machine()).plugin) if not name.startswith("_")}
    assert {"register", "aot_impl"} <= public
    for api in apis.values():
        assert public <= api.plugin_names
