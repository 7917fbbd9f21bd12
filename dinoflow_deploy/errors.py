"""The exceptions that dinoflow-deploy raises on purpose.

Every message names the value, the limit and the fix. The command line prints the message alone.
"""

from pathlib import Path


class DinoFlowError(Exception):
    """Root of every error raised on purpose."""


class InputError(DinoFlowError):
    """A value the caller passed is outside what the function takes."""


class OutputElsewhereError(InputError):
    """What was made is complete, but its name was taken meanwhile or cannot be replaced: it has another.

    Attributes:
        kept: Where it is.
    """

    def __init__(self, message: str, kept: Path) -> None:
        super().__init__(message)
        self.kept = kept


class FileFormatError(DinoFlowError):
    """A file is damaged, or is not what its name says."""


class SizeMismatchError(FileFormatError):
    """Two files that belong together have different sizes."""


class MissingPackageError(DinoFlowError):
    """An optional package is needed and not installed."""


class ModelError(DinoFlowError):
    """Weights or a configuration do not fit the model."""


class HubError(ModelError):
    """A file cannot be had from the hub.

    Attributes:
        reason: Why, without advice: ``"HTTP 401"``.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class EngineError(DinoFlowError):
    """An engine cannot be loaded, or failed while running."""


class ProcessDiedError(EngineError):
    """A process that worked for this one has ended without an answer."""


class DeviceError(EngineError):
    """A device, provider or precision that was asked for cannot be had here."""


class ExportError(DinoFlowError):
    """An export failed, or its result does not equal PyTorch."""


class BuildCancelledError(ExportError):
    """A build was told to end before it was done."""


class VideoError(DinoFlowError):
    """A video or image source cannot be read, or a video cannot be written."""


class TrainingError(DinoFlowError):
    """A training run cannot start, continue or resume."""
