"""The TensorRT engine: a plan, on an NVIDIA GPU."""

from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar, overload

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.model_input import ModelInput
from dinoflow_deploy.engines.base import EngineDescription, FlowEngine
from dinoflow_deploy.engines.devices import Device
from dinoflow_deploy.engines.frames import Pictures, Tensor
from dinoflow_deploy.engines.tensorrt.backend import BACKEND
from dinoflow_deploy.engines.tensorrt.cuda import Cuda
from dinoflow_deploy.engines.tensorrt.device_arrays import DeviceArray, DeviceView, view_of
from dinoflow_deploy.engines.tensorrt.plan import Plan, check_tensors, deserialize, find_plan
from dinoflow_deploy.engines.tensorrt.pool import ContextPool
from dinoflow_deploy.engines.tensorrt.profiles import Profiles
from dinoflow_deploy.errors import DeviceError, InputError
from dinoflow_deploy.flow.padding import Padding

Array = TypeVar("Array")
_PURPOSE: Final = "running a TensorRT plan"


class TensorRTEngine(FlowEngine):
    """Runs a TensorRT plan.

    Threads that call at once each get an execution context of their own, with a stream and memory; contexts
    are used again, and given back by :meth:`close`. A plan's memory is that of its largest shape, once for
    each such thread.

    A plan may hold native code (the C++ plugin), which runs with your rights. It is allowed to where the
    bundle's manifest says that it holds that plugin: load bundles only from where you would take a program.

    Not run on hardware by the tests of this package, which drive it against a strict model of the interface:
    see the README.

    Args:
        source: A bundle that holds a plan, its folder, or a ``.plan`` file.
        device: ``"auto"`` (the first GPU), ``"cuda"`` or ``"cuda:1"``.
        convert_colors: Take grey and RGBA frames too.
        flavour: ``"tensorrt"``, ``"rtx"``, or ``"auto"``: what a bare plan's header says, where it can be
            read; else the first of these that is installed and, in a bundle, has a plan.
        cuda_graph: Record what a run launches, once for each context, and replay it as a whole: less work for
            the CPU. For plans of one fixed shape.
        allow_host_code: Let a bare plan run native code that it holds.

    Raises:
        InputError: The bundle holds no plan; or ``cuda_graph`` is asked of a plan with a range of shapes.
        FileFormatError: The bundle or plan is damaged, or the plan is not an optical-flow model.
        MissingPackageError: TensorRT or cuda-python is not installed.
        DeviceError: There is no such GPU, or no driver.
        EngineError: The plan is of another version of TensorRT, for another GPU, or damaged.
    """

    def __init__(
        self,
        source: Path | Bundle,
        *,
        device: str = "auto",
        convert_colors: bool = False,
        flavour: str = "auto",
        cuda_graph: bool = False,
        allow_host_code: bool = False,
    ) -> None:
        plan = find_plan(source, flavour)
        trt = plan.flavour.load(_PURPOSE)
        self._cuda = Cuda(_PURPOSE)
        self._index = _choose_device(Device.parse(device), self._cuda)
        with self._cuda.current_device(self._index):
            capability = self._cuda.compute_capability(self._index)
            loaded = deserialize(plan, trt, capability, allow_host_code=allow_host_code)
        taken = check_tensors(plan, trt, loaded.engine)
        self._profiles = Profiles.read(loaded.engine, plan.rebuild, taken)
        if cuda_graph:
            _check_static(plan, self._profiles)
        self._pool = ContextPool(trt, self._cuda, loaded, self._profiles, cuda_graph=cuda_graph)
        super().__init__(
            EngineDescription(
                model=plan.name,
                backend=BACKEND.name,
                device=str(Device("cuda", self._index)),
                provider=f"{plan.flavour.title} {trt.__version__}{', CUDA graph' if cuda_graph else ''}",
                precision=plan.precision,
                source=str(plan.path),
                inputs=self._profiles.hull,
            ),
            convert_colors=convert_colors,
            model_input=taken,
        )

    @property
    def calls_at_once(self) -> int:
        """Two: contexts have a stream each, and so copies of one overlap with the computing of the other."""
        return 2

    @overload
    def infer_device(self, image1: Any, image2: Any) -> DeviceArray: ...

    @overload
    def infer_device(self, image1: Any, image2: Any, out: Array) -> Array: ...

    def infer_device(self, image1: Any, image2: Any, out: Any = None) -> Any:
        """Inference alone on arrays that are on the device already; nothing is copied to the host.

        An array is anything with ``__dlpack__`` or ``__cuda_array_interface__``, such as a CUDA tensor of
        PyTorch or an array of CuPy. It is used in place. Work on it that its library has begun is waited for
        on the device, as these protocols say. The call returns when the flow is complete, so that images may
        be overwritten and the flow be read from any stream. Whether the flow is finite is not checked.

        Args:
            image1: ``float32 [B, 3, H, W]`` in [0, 1], or of a plan that takes frames
                ``uint8 [B, H, W, 3]``; RGB, C-contiguous, at a multiple of 256 bytes on the engine's device;
                B, H and W are within its range, H and W multiples of 16.
            image2: The same shape.
            out: Where the flow goes: ``float32 [B, 2, H, W]``, C-contiguous, on the same device, and
                overlapping neither image. Reusing one saves an allocation in every call.

        Returns:
            ``out``, or a new array, which belongs to the caller: ``float32 [B, 2, H, W]`` in pixels.

        Raises:
            InputError: An array is of another type, shape, layout, alignment or device, or the shape is
                outside the engine's range.
            EngineError: The engine is closed, or failed.
        """
        with self._in_use(), self._cuda.current_device(self._index), self._pool.use() as context:
            taken = self._model_input
            view = partial(view_of, cuda=self._cuda, stream=context.stream, device_index=self._index)
            first, second = (
                view(array, name, dtype=taken.dtype)
                for array, name in zip((image1, image2), taken.tensors, strict=True)
            )
            _check_pictures(first, second, taken)
            self._profiles.choose(*taken.lengths(first.shape))
            due = taken.flow_shape(first.shape)
            result = DeviceArray(self._cuda, due, self._index) if out is None else out
            flow = view(result, "out", write=True)
            _check_shape("out", flow, due)
            context.infer_device(first.shape, first.address, second.address, flow.address)
        return result

    def _run(self, images1: Pictures, images2: Pictures) -> Tensor:
        with self._cuda.current_device(self._index), self._pool.use() as context:
            return context.infer(images1, images2)

    def _release(self) -> None:
        with self._cuda.current_device(self._index):
            self._pool.close()
            # It alone holds the plan.
            del self._pool

    def _layout(self, count: int, height: int, width: int) -> tuple[Padding, int]:
        # Here too, because only a plan knows the command that builds one for larger frames.
        self._profiles.check_largest(count, height, width)
        padding, batch = super()._layout(count, height, width)
        self._profiles.choose(batch, padding.padded_height, padding.padded_width)
        return padding, batch


def _choose_device(device: Device, cuda: Cuda) -> int:
    if device.kind == "cpu":
        raise DeviceError("TensorRT runs on NVIDIA GPUs only: use the device 'cuda', or another backend")
    count = cuda.device_count()
    if device.index >= count:
        raise DeviceError(f"there is no device '{device}': CUDA finds {count}, counted from 0")
    return device.index


def _check_static(plan: Plan, profiles: Profiles) -> None:
    if not profiles.is_static:
        raise InputError(
            f"a CUDA graph is for one fixed shape, and {plan.path} takes {profiles.hull}: run without "
            f"cuda_graph, or run: {plan.rebuild} --size HEIGHTxWIDTH"
        )


def _check_pictures(first: DeviceView, second: DeviceView, taken: ModelInput) -> None:
    names = taken.tensors
    if not taken.holds(first.shape):
        raise InputError(f"{names[0]}: {taken} is needed, not {list(first.shape)}")
    _check_shape(names[1], second, first.shape)


def _check_shape(name: str, view: DeviceView, due: tuple[int, ...]) -> None:
    if view.shape != due:
        raise InputError(f"{name}: {list(due)} is needed, not {list(view.shape)}")
