"""TensorBoard scalars and flow pictures."""

from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np

from dinoflow_deploy.flow import flow_to_rgb
from dinoflow_deploy.system.optional import require
from dinoflow_deploy.train.validation import Validation


class TensorBoardReport:
    """Writes to ``RUN/tensorboard``; a resumed run replaces what was written after its checkpoint."""

    def __init__(self, folder: Path, steps_done: int) -> None:
        require("tensorboard", "writing training curves")
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(folder, purge_step=steps_done + 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def flush(self) -> None:
        """Put everything on disk."""
        self._writer.flush()

    def scalars(self, group: str, values: dict[str, float], step: int) -> None:
        """Write each value as ``group/name``."""
        for name, value in values.items():
            self._writer.add_scalar(f"{group}/{name}", value, step)

    def validation(self, result: Validation, step: int) -> None:
        """Write the errors and one picture: frame, predicted flow, true flow, on one colour scale."""
        for name, accuracy in result.accuracy.items():
            metrics = accuracy.everything
            values = {"epe": metrics.epe, "px1": metrics.px1, "px3": metrics.px3, "fl_all": metrics.fl_all}
            self.scalars(f"validation/{name}", values, step)
        self.scalars("validation", {"epe": result.epe}, step)
        if result.sample is None or result.flow is None:
            return
        truth, valid = result.sample.flow, result.sample.valid
        longest = float(np.linalg.norm(truth[valid], axis=1).max(initial=1.0))
        row = [
            result.sample.frame1,
            flow_to_rgb(result.flow, longest),
            flow_to_rgb(truth, longest, valid),
        ]
        self._writer.add_image(
            "validation/frame_prediction_truth", np.concatenate(row, axis=1), step, dataformats="HWC"
        )
