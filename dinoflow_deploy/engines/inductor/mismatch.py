"""Why a package does not run on a machine: it is native code for another one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dinoflow_deploy.engines.inductor.package_info import PackageInfo
from dinoflow_deploy.system.processor import extensions, processor_name

_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class Machine:
    """What a package has to fit.

    Attributes:
        torch: Version and build of PyTorch.
        device: ``"cuda"`` or ``"cpu"``.
        compute_capability: Of the GPU; ``None`` for the CPU.
        processor: Name of the processor.
        extensions: Its extensions of the instruction set.
    """

    torch: str
    device: str
    compute_capability: str | None
    processor: str
    extensions: tuple[str, ...]

    @classmethod
    def here(cls, torch: str, device: str, compute_capability: str | None) -> "Machine":
        """This machine.

        Args:
            torch: As of the class.
            device: Likewise.
            compute_capability: Likewise.
        """
        return cls(torch, device, compute_capability, processor_name(), extensions())


def causes(info: PackageInfo, machine: Machine) -> Iterator[str]:
    """Why a package does not run there, as clauses of a sentence; none where it does."""
    if info.torch != machine.torch:
        yield (
            f"it was compiled by torch {info.torch}, and {machine.torch} is installed: a package runs on the "
            "build that compiled it"
        )
    if info.device != machine.device:
        yield f"it was compiled for the device '{info.device}', not for '{machine.device}'"
    elif info.compute_capability != machine.compute_capability:
        yield (
            f"it was compiled for compute capability {info.compute_capability} ({info.gpu}), and this GPU "
            f"has {machine.compute_capability}"
        )
    lacking = [name for name in info.extensions if name not in machine.extensions]
    if lacking:
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        yield (
            f"it was compiled on {info.processor} and may use its {', '.join(lacking[:_SHOWN])}{more}, which "
            f"this processor, {machine.processor}, lacks"
        )
