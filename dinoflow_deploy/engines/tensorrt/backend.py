"""The row of TensorRT."""

from typing import Final

from dinoflow_deploy.engines.backend import Backend, Option, Package, Probe, Source
from dinoflow_deploy.engines.kinds import Kind
from dinoflow_deploy.system.optional import install_command, requirements
from dinoflow_deploy.tensorrt.flavours import RTX, TENSORRT

# The last two suffixes are what other tools call a plan.
PLAN: Final = Kind("plan", "a TensorRT plan", (".plan", ".engine", ".trt"))

_TENSORRT: Final = Package(
    modules=TENSORRT.modules,
    title=TENSORRT.title,
    distributions=("tensorrt-cu13", "tensorrt"),
    enables="building and running TensorRT plans",
    extra="tensorrt",
)
_RTX: Final = Package(
    modules=RTX.modules,
    title=RTX.title,
    distributions=("tensorrt-rtx-cu13-bindings", "tensorrt-rtx"),
    enables="building plans for RTX cards on any machine",
    extra="rtx",
)


def probe() -> dict[str, str | None]:
    """Make a TensorRT builder, which needs its libraries and a GPU."""
    import tensorrt as trt

    builder = trt.Builder(trt.Logger(trt.Logger.ERROR))
    return {"TensorRT": None if builder else f"TensorRT {trt.__version__} could not make a builder"}


def _repair(check: str) -> str:
    return install_command(requirements(_TENSORRT.extra), "--upgrade")


def _can_run_here(source: Source, device: str) -> bool:
    from dinoflow_deploy.engines.tensorrt.choice import can_run_here

    return can_run_here(source, device)


BACKEND: Final = Backend(
    name="tensorrt",
    runs=(PLAN,),
    devices=("cuda",),
    engine="dinoflow_deploy.engines.tensorrt.engine:TensorRTEngine",
    packages=(_TENSORRT, _RTX),
    options=(
        Option("flavour"),
        Option("cuda_graph", "Replay a recorded CUDA graph: TensorRT and inductor, one fixed size."),
        Option("allow_host_code"),
    ),
    automatic=_can_run_here,
    hint="dinoflow-deploy export --model {source} --target tensorrt --output NEW builds a plan for it",
    probe=Probe(title="TensorRT", function=f"{__name__}:probe", checks={"cuda": "TensorRT"}, repair=_repair),
)
