"""The modules ``tensorrt`` and ``tensorrt_rtx``."""

from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

from tests.tensorrt_model.builder import Builder
from tests.tensorrt_model.config import IBuilderConfig, IOptimizationProfile, RtxBuilderConfig
from tests.tensorrt_model.context import IExecutionContext, RtxExecutionContext
from tests.tensorrt_model.engine import EngineInspector, ICudaEngine, Runtime
from tests.tensorrt_model.flavours import TENSORRT_11, Modelled
from tests.tensorrt_model.machine import Machine
from tests.tensorrt_model.network import ILayer, INetworkDefinition, ITensor
from tests.tensorrt_model.parser import OnnxParser, ParserError
from tests.tensorrt_model.plugin import IPluginRegistry, plugin_module
from tests.tensorrt_model.strict import Number, tell
from tests.tensorrt_model.timing_cache import ITimingCache

GPU = "NVIDIA GH200 480GB"
_NO_DEVICE = "CUDA initialization failure with error: 35"


class Severity(Number):
    INTERNAL_ERROR = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    VERBOSE = 4


class ILogger:
    INTERNAL_ERROR = Severity.INTERNAL_ERROR
    ERROR = Severity.ERROR
    WARNING = Severity.WARNING
    INFO = Severity.INFO
    VERBOSE = Severity.VERBOSE
    _made = False

    def __init__(self) -> None:
        self._made = True

    def log(self, severity: Severity, msg: str) -> None:
        raise NotImplementedError


class IProgressMonitor:
    _made = False

    def __init__(self) -> None:
        self._made = True

    def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
        raise NotImplementedError

    def step_complete(self, phase_name: str, step: int) -> bool:
        raise NotImplementedError

    def phase_finish(self, phase_name: str) -> None:
        raise NotImplementedError


def classes_of(modelled: Modelled) -> dict[str, type]:
    """The classes of a TensorRT by their real names."""
    rtx = modelled.flavour == "rtx"
    return {
        "Builder": Builder,
        "EngineInspector": EngineInspector,
        "IBuilderConfig": RtxBuilderConfig if rtx else IBuilderConfig,
        "ICudaEngine": ICudaEngine,
        "IExecutionContext": RtxExecutionContext if rtx else IExecutionContext,
        "ILayer": ILayer,
        "ILogger": ILogger,
        "INetworkDefinition": INetworkDefinition,
        "IOptimizationProfile": IOptimizationProfile,
        "IPluginRegistry": IPluginRegistry,
        "IProgressMonitor": IProgressMonitor,
        "ITensor": ITensor,
        "ITimingCache": ITimingCache,
        "OnnxParser": OnnxParser,
        "ParserError": ParserError,
        "Runtime": Runtime,
    }


class TensorRT(ModuleType):
    """A TensorRT on a machine; what tests look at and change is in ``state``.

    ``state`` holds ``fail``, what a function of TensorRT is to say when it fails, by its name (``"capture"``:
    a run while it is recorded); ``warnings``, which the parser gives; ``shift_px``, added to what plans
    compute; ``gpu`` and ``kernel``, for which a build learns a time; ``contexts``, how many were made;
    ``living`` and ``violations``, what is there and what was destroyed wrongly; ``registered``, what
    ``plugin`` was given.
    """

    def __init__(self, machine: Machine, modelled: Modelled = TENSORRT_11) -> None:
        super().__init__(modelled.module)
        self.__spec__ = ModuleSpec(modelled.module, None)
        self.__version__ = modelled.version
        for name, members in modelled.enums.items():
            setattr(self, name, Number(name, members))
        self.ILogger, self.IProgressMonitor = ILogger, IProgressMonitor
        self.state = _State(
            trt=self,
            trt_classes=classes_of(modelled),
            flavour=modelled.flavour,
            machine=machine,
            logger=None,
            fail={},
            warnings=[],
            shift_px=0.0,
            gpu=GPU,
            kernel="kernel-0",
            contexts=0,
            living=[],
            violations=[],
            host_code=None,
            creators={},
            registered={},
        )
        if modelled.flavour == "tensorrt":
            self.plugin = plugin_module(self.state)

    def Builder(self, logger: Any) -> Builder:  # noqa: N802
        if self.state.flavour == "tensorrt":
            self._check_device("Builder", logger)
        return Builder(self.state, logger)

    def Runtime(self, logger: Any) -> Runtime:  # noqa: N802
        self._check_device("Runtime", logger)
        return Runtime(self.state, logger)

    def OnnxParser(self, network: Any, logger: Any) -> OnnxParser:  # noqa: N802
        return OnnxParser(self.state, network, logger)

    def _check_device(self, name: str, logger: Any) -> None:
        """The bindings' own complaint, after TensorRT's, which may be none."""
        if name in self.state.fail or not self.state.machine.capabilities:
            self.state.logger = self.state.logger or logger
            problem = self.state.fail.get(name, _NO_DEVICE)
            if problem:
                tell(self.state, problem)
            raise TypeError("pybind11::init(): factory function returned nullptr")


class _State(SimpleNamespace):
    @property
    def capability(self) -> str:
        """Of the calling thread's GPU."""
        return "{}.{}".format(*self.machine.capabilities[self.machine.current])
