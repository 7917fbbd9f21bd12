"""Execution contexts for several threads."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from threading import Lock
from types import ModuleType

from dinoflow_deploy.engines.tensorrt.context import ExecutionContext
from dinoflow_deploy.engines.tensorrt.cuda import Cuda
from dinoflow_deploy.engines.tensorrt.loaded_plan import LoadedPlan
from dinoflow_deploy.engines.tensorrt.profiles import Profiles
from dinoflow_deploy.errors import InputError


class ContextPool:
    """Contexts for as many threads as run at once; each serves one thread at a time, and is used again.

    Args:
        trt: The module of TensorRT.
        cuda: The runtime.
        plan: What they run.
        profiles: Shapes that it takes.
        cuda_graph: Whether contexts record and replay their work.
    """

    def __init__(
        self, trt: ModuleType, cuda: Cuda, plan: LoadedPlan, profiles: Profiles, *, cuda_graph: bool
    ) -> None:
        self._make = partial(ExecutionContext, trt, cuda, plan, profiles, cuda_graph=cuda_graph)
        self._idle: list[ExecutionContext] = []
        self._making = Lock()

    @contextmanager
    def use(self) -> Iterator[ExecutionContext]:
        """Give a context to this thread alone.

        Raises:
            EngineError: None is idle and a new one cannot be made.
        """
        context = self._take()
        try:
            yield context
        except InputError:
            # Refused before anything ran.
            self._idle.append(context)
            raise
        except BaseException:
            context.close()
            raise
        self._idle.append(context)

    def close(self) -> None:
        """Give all of them back; none may be in use."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> ExecutionContext:
        try:
            # The one used last: its memory is warm.
            return self._idle.pop()
        except IndexError:
            with self._making:
                return self._make()
