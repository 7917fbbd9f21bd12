"""From a path to a plan, and from a plan to TensorRT's engine."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.manifest import Manifest
from dinoflow_deploy.bundles.model_input import FRAMES, IMAGES, NAMES_OF_FORMS, ModelInput, model_input_of
from dinoflow_deploy.engines.tensorrt.loaded_plan import LoadedPlan, load_plan
from dinoflow_deploy.engines.tensorrt.mismatch import Machine, causes
from dinoflow_deploy.errors import EngineError, FileFormatError, InputError
from dinoflow_deploy.tensorrt.flavours import FLAVOURS, Flavour, find_flavour
from dinoflow_deploy.tensorrt.plan_header import read_header
from dinoflow_deploy.tensorrt.plan_info import PlanInfo

_FLOW: Final = "flow"
_TYPES: Final = {IMAGES: "FLOAT", FRAMES: "UINT8"}
"""TensorRT's name of each form's type."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan on disk.

    Attributes:
        path: The file.
        flavour: The TensorRT that runs it.
        bundle: Folder of its bundle; ``None`` for a bare file.
        manifest: The bundle's manifest.
        info: What that says about this plan.
    """

    path: Path
    flavour: Flavour
    bundle: Path | None = None
    manifest: Manifest | None = None
    info: PlanInfo | None = None

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.manifest.model.name if self.manifest else self.path.stem

    @property
    def precision(self) -> str:
        """What it computes in; a bare plan does not say."""
        return self.manifest.precision if self.manifest else "unknown"

    @property
    def holds_our_plugin(self) -> bool:
        """Whether its manifest says that the C++ plugin is compiled into it."""
        return self.info is not None and self.info.plugin == "cpp"

    @property
    def rebuild(self) -> str:
        """The command that builds it again."""
        source = shlex.quote(str(self.bundle)) if self.bundle else "BUNDLE"
        flavour = "" if self.flavour is FLAVOURS[0] else f" --flavour {self.flavour.name}"
        return f"dinoflow-deploy export --model {source} --target tensorrt{flavour} --output NEW"


def find_plan(source: Path | Bundle, flavour: str) -> Plan:
    """The plan that a path or a bundle stands for.

    Args:
        source: A ``.plan`` file, or a bundle or its folder.
        flavour: ``"tensorrt"``, ``"rtx"``, or ``"auto"``: TensorRT-RTX for a file whose header says so,
            else TensorRT if it is installed and, in a bundle, has a plan there, else TensorRT-RTX by the same
            rule.

    Raises:
        FileFormatError: The bundle or the file is damaged, or the file is not there.
        InputError: The bundle holds no such plan, or the flavour is not known.
    """
    wanted = FLAVOURS if flavour == "auto" else (find_flavour(flavour),)
    if isinstance(source, Path) and not source.is_dir():
        if not source.is_file():
            raise FileFormatError(f"{source} is not there: name a .plan file, or the folder of a bundle")
        return Plan(source, _flavour_of(source) if flavour == "auto" else wanted[0])
    bundle = source if isinstance(source, Bundle) else Bundle.open(source)
    path = bundle.folder
    plans = {plan.flavour: plan for plan in bundle.manifest.all_of(PlanInfo)}
    held = tuple(each for each in wanted if each.name in plans)
    if not held:
        raise InputError(_no_plan(path, flavour, plans))
    chosen = _first_installed(held)
    info = plans[chosen.name]
    return Plan(path / info.file, chosen, path, bundle.manifest, info)


def deserialize(plan: Plan, trt: ModuleType, compute_capability: str, *, allow_host_code: bool) -> LoadedPlan:
    """Load a plan onto the current device.

    Args:
        plan: Which.
        trt: The module of its flavour.
        compute_capability: Of the current device, for errors.
        allow_host_code: Whether native code in it may run.

    Raises:
        EngineError: TensorRT refuses it; the message says why and how to build it again.
    """
    allowed = allow_host_code or plan.holds_our_plugin
    loaded, said = load_plan(trt, plan.path.read_bytes(), allow_host_code=allowed)
    if loaded is None:
        machine = Machine(plan.flavour.title, str(trt.__version__), compute_capability)
        raise EngineError(_refused(plan, machine, said))
    return loaded


def check_tensors(plan: Plan, trt: ModuleType, cuda_engine: Any) -> ModelInput:
    """Hold a plan to being an optical-flow model, and find how it takes pictures.

    Raises:
        FileFormatError: It is not.
    """
    names = [cuda_engine.get_tensor_name(index) for index in range(cuda_engine.num_io_tensors)]
    taken = model_input_of(name for name in names if name != _FLOW)
    if taken is None or _FLOW not in names:
        raise FileFormatError(
            f"{plan.path} is not an optical-flow model, which computes flow from {NAMES_OF_FORMS}: its "
            f"tensors are {', '.join(names)}"
        )
    due = dict.fromkeys(taken.tensors, ("INPUT", _TYPES[taken])) | {_FLOW: ("OUTPUT", "FLOAT")}
    for name, (mode, kind) in due.items():
        found = cuda_engine.get_tensor_mode(name), cuda_engine.get_tensor_dtype(name)
        if found != (getattr(trt.TensorIOMode, mode), getattr(trt.DataType, kind)):
            raise FileFormatError(
                f"{plan.path} has {name} as {found[0].name.lower()} of type {found[1].name}: it must be "
                f"{mode.lower()} of type {kind}, as export --target tensorrt builds it"
            )
        shape = tuple(cuda_engine.get_tensor_shape(name))
        is_flow = len(shape) == 4 and shape[1] == 2
        if not (is_flow if name == _FLOW else taken.holds(shape)):
            raise FileFormatError(
                f"{plan.path} has {name} of shape {list(shape)}: it must be "
                f"{'[batch, 2, height, width]' if name == _FLOW else taken}"
            )
    return taken


def _refused(plan: Plan, machine: Machine, said: str) -> str:
    known = causes(plan.info, machine, said)
    # A file that is none of these is not mended by building it with the same versions again, but replaced.
    why = "; and ".join(known) or "it may be damaged, or no plan"
    return (
        f"{machine.title} {machine.version} cannot load {plan.path}: {why}.\n"
        f"Build it again: {plan.rebuild} ({machine.title} says: {said})"
    )


def _flavour_of(path: Path) -> Flavour:
    """The TensorRT that a bare plan is for, as far as its header tells."""
    header = read_header(path)
    return find_flavour(header.flavour) if header else _first_installed(FLAVOURS)


def _first_installed(flavours: tuple[Flavour, ...]) -> Flavour:
    """The first that is installed, or the first, which then says how to install it."""
    return next((flavour for flavour in flavours if flavour.is_installed), flavours[0])


def _no_plan(path: Path, flavour: str, plans: dict[str, PlanInfo]) -> str:
    asked = "" if flavour == "auto" else f" for the flavour '{flavour}'"
    option = f" --flavour {flavour}" if flavour == "rtx" else ""
    others = f" (it holds one for {', '.join(plans)})" if plans else ""
    return (
        f"{path} holds no TensorRT plan{asked}{others}: dinoflow-deploy export "
        f"--model {shlex.quote(str(path))} --target tensorrt{option} --output NEW builds one"
    )
