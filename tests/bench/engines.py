"""Engines that compute something known."""

import numpy as np

from dinoflow_deploy.engines import EngineDescription, FlowEngine, InputRange


class ConstantEngine(FlowEngine):
    """The same motion everywhere, plus how bright frame 1 is: so that pairs give different flow."""

    def __init__(self, u: float, name: str = "constant") -> None:
        description = EngineDescription(name, "numpy", "cpu", "cpu", "fp32", None, InputRange.unlimited())
        super().__init__(description)
        self.u = u
        self.batches: list[int] = []

    def _run(self, images1, images2):
        self.batches.append(len(images1))
        flow = np.zeros((len(images1), 2, *images1.shape[2:]), np.float32)
        flow[:, 0] = self.u + images1.mean(axis=1)
        return flow
