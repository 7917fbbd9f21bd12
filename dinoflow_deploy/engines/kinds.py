"""The kinds of thing that a backend runs."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of artefact, or of model that is no artefact.

    Attributes:
        name: Its short name; of an artefact in a bundle, that of the manifest.
        title: What it is called in messages: ``"an ONNX file"``.
        suffixes: What the name of such a file may end with, in small letters.
        names: What others have made and ``load_engine`` takes by name, where there is no such file.
    """

    name: str
    title: str
    suffixes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


ONNX: Final = Kind("onnx", "an ONNX file", (".onnx",))
SAFETENSORS: Final = Kind("safetensors", "a PyTorch model", (".safetensors",))
PUBLISHED: Final = Kind("published", "the published model")
