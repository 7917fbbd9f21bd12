"""The row of OpenVINO."""

from typing import Final

from dinoflow_deploy.bundles.manifest import PRECISIONS
from dinoflow_deploy.engines.backend import Backend, Option, Package, Probe, Source
from dinoflow_deploy.engines.devices import KINDS, Device
from dinoflow_deploy.engines.kinds import ONNX
from dinoflow_deploy.system.gpus import list_gpus
from dinoflow_deploy.system.optional import install_command, is_installed, requirements

DEVICES: Final = {"cpu": "CPU", "intel-gpu": "GPU", "intel-npu": "NPU"}
"""OpenVINO's own names by kind of device."""
PACKAGE: Final = Package(
    modules=("openvino",),
    title="OpenVINO",
    distributions=("openvino",),
    enables="running exported models, most often the fastest on CPUs; Intel's GPUs and NPUs",
    extra="openvino",
)


def _check(device: str) -> str:
    return f"OpenVINO device {device}"


def probe() -> dict[str, str | None]:
    """Run a convolution on every device that OpenVINO finds."""
    from dinoflow_deploy.engines.openvino.devices import device_problem, found_devices

    return {_check(str(device)): device_problem(name) for device, name in found_devices().items()}


def _repair(check: str) -> str:
    return install_command(requirements(PACKAGE.extra), "--force-reinstall")


def _may_be_chosen(source: Source, device: str) -> bool:
    """Whether it is the fastest that there is for an ONNX file: on the CPU it is, and nothing like CUDA."""
    kind = Device.parse(device, KINDS).kind
    if kind not in ("auto", "cpu"):
        # Who asks for what it alone computes on is told what is missing.
        return kind in DEVICES
    # The extra brings both, the first alone cannot read every model.
    return is_installed("openvino") and is_installed("onnx") and (kind == "cpu" or not _cuda_works())


def _cuda_works() -> bool:
    """Whether ONNX Runtime computes on a GPU here."""
    if not (list_gpus()[0] and is_installed("onnxruntime")):
        return False
    from dinoflow_deploy.engines.onnxruntime.providers import CUDA, provider_problem

    return provider_problem(CUDA) is None


BACKEND: Final = Backend(
    name="openvino",
    runs=(ONNX,),
    devices=tuple(DEVICES),
    engine="dinoflow_deploy.engines.openvino.engine:OpenVinoEngine",
    packages=(PACKAGE,),
    options=(
        Option("intra_op_threads"),
        Option("engine_precision", "What OpenVINO computes in.", PRECISIONS),
    ),
    automatic=_may_be_chosen,
    probe=Probe(
        title="OpenVINO",
        function=f"{__name__}:probe",
        checks={device: _check(device) for device in DEVICES},
        repair=_repair,
    ),
)
