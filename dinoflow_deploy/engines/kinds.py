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
        address: How one that is elsewhere is written, ``"grpc://HOST:PORT/MODEL"``; empty where it is here.
    """

    name: str
    title: str
    suffixes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    address: str = ""

    @property
    def scheme(self) -> str:
        """What its address begins with, before ``://``; empty where it has none."""
        return self.address.partition("://")[0]


ONNX: Final = Kind("onnx", "an ONNX file", (".onnx",))
SAFETENSORS: Final = Kind("safetensors", "a PyTorch model", (".safetensors",))
PUBLISHED: Final = Kind("published", "the published model")
