"""An engine that costs nothing: what the rest of a pipeline can do."""

from itertools import cycle

import numpy as np

from dinoflow_deploy.engines import EngineDescription, FlowEngine, InputRange
from dinoflow_deploy.flow.arrays import Flow


class FreeEngine(FlowEngine):
    """Gives flows that are known, in turn; frames are still prepared and flows finished, as for any engine.

    Args:
        flows: ``float32 [N, H, W, 2]`` in pixels, of frames of that size.
    """

    def __init__(self, flows: Flow) -> None:
        super().__init__(
            EngineDescription("free", "free", "cpu", "none", "fp32", None, InputRange.unlimited())
        )
        self._flows = cycle(np.ascontiguousarray(flows.transpose(0, 3, 1, 2))[:, np.newaxis])

    def _run(self, images1: Flow, images2: Flow) -> Flow:
        return next(self._flows)
