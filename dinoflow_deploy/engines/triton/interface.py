"""What the front of a model repository takes and gives, and what it says of the model behind it."""

import json
from dataclasses import asdict, dataclass
from typing import Final

from dinoflow_deploy.bundles.input_range import InputRange
from dinoflow_deploy.bundles.model_input import FRAMES
from dinoflow_deploy.errors import FileFormatError
from dinoflow_deploy.system.dataclass_reader import from_json

FRAME_NAMES: Final = FRAMES.tensors
"""Inputs of the front: ``uint8 [H, W, 3]``, RGB."""
FLOW: Final = "flow"
"""Its output: ``float32 [H, W, 2]`` in pixels."""
ABOUT: Final = "about"
"""Its other output, for whoever asks for it: ``ServedModel`` as JSON, one string."""
TENSORS: Final = {
    **dict.fromkeys(FRAME_NAMES, ("UINT8", (-1, -1, 3))),
    FLOW: ("FP32", (-1, -1, 2)),
    ABOUT: ("BYTES", (1,)),
}
"""Type and shape of each, as Triton's protocol has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """One version of a model in a repository, as its front knows it.

    Attributes:
        network: Name in the repository of the network that the front calls, in the same version.
        artefact: Kind of what that runs: ``"onnx"`` or ``"plan"``.
        inputs: Shapes that it takes.
        model_input: How it takes a pair, see ``bundles.model_input``.
        model: Name of the model, for instance ``"nano"``.
        precision: What it computes in.
        weights_sha256: Of its weights.
    """

    network: str
    artefact: str
    inputs: InputRange
    model_input: str
    model: str
    precision: str
    weights_sha256: str

    def to_json(self) -> str:
        """The same as text."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, where: str) -> "ServedModel":
        """Read what ``to_json`` gave.

        Args:
            text: The text.
            where: Where it comes from, for errors.

        Raises:
            FileFormatError: It is something else.
        """
        try:
            model: ServedModel = from_json(cls, json.loads(text))
        except (ValueError, RecursionError) as error:
            raise FileFormatError(f"{where} is not JSON: {error}") from error
        except FileFormatError as error:
            raise FileFormatError(f"{where}: {error}") from error
        return model
