"""The models that have a name, each a row: what it is made of, and where its weights are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.models.decoder import HeadConfig
from dinoflow_deploy.models.memory_rule import MemoryRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that has a name.

    Attributes:
        name: What ``load_engine`` and ``--model`` take.
        backbone: A key of ``BACKBONES`` in ``train/model/config.py``; several models may have the same.
        decoder: Size of the decoder.
        folder: Where weights and bundle lie, of a model that is not in this package.
        published: Where the decoder is, ``hub:owner/name/file``, of a model whose weights are not here but
            published; its backbone is that of ``PUBLISHED_BACKBONES``.
        memory: What it takes on the CPU, by the name of the backend; the figures are in
            ``benchmarks/results/pair_memory*.json``.
    """

    name: str
    backbone: str
    decoder: HeadConfig = field(default_factory=HeadConfig)
    folder: Path | None = None
    published: str = ""
    memory: Mapping[str, MemoryRule] = field(default_factory=dict)


_NANO: Final = Model(
    name="nano",
    backbone="nano",
    decoder=HeadConfig(width=32, output_widths=(16, 16)),
    memory={
        "onnxruntime": MemoryRule(heads=4, beside_scores=220, decoder=535),
        # OpenVINO's and PyTorch's attention holds no scores. What is freed in pieces is not all given back,
        # most of it of small frames: these are what large ones take.
        "openvino": MemoryRule(heads=0, beside_scores=0, decoder=560),
        "pytorch": MemoryRule(heads=0, beside_scores=0, decoder=635),
    },
)
_SMALL: Final = Model(
    name="small",
    backbone="small",
    decoder=HeadConfig(width=64, output_widths=(32, 16)),
    memory={
        "onnxruntime": MemoryRule(heads=6, beside_scores=260, decoder=850),
        "openvino": MemoryRule(heads=0, beside_scores=0, decoder=890),
        "pytorch": MemoryRule(heads=0, beside_scores=0, decoder=1100),
    },
)
_VITS16: Final = Model(
    name="vits16",
    backbone="vits16",
    published="hub:blanchon/dinoflow-model/flow-vits16.safetensors",
    memory={
        # From 4 megapixels on the scores lead, and only they count.
        "onnxruntime": MemoryRule(heads=6, beside_scores=0, decoder=3024),
        "openvino": MemoryRule(heads=0, beside_scores=0, decoder=2800),
        "pytorch": MemoryRule(heads=0, beside_scores=0, decoder=3650),
    },
)

MODELS: Final = {model.name: model for model in (_NANO, _SMALL, _VITS16)}
"""By name; :func:`register_model` adds to them."""
_OWN: Final = frozenset(MODELS)


def register_model(model: Model) -> None:
    """Add a model; one of that name that was added before is replaced.

    Args:
        model: Its row, with the folder that holds ``model.safetensors`` and ``bundle``.

    Raises:
        InputError: A model of this package has that name.
    """
    if model.name in _OWN:
        raise InputError(f"there is a model '{model.name}' already: give yours another name")
    MODELS[model.name] = model


def registered_models() -> tuple[Model, ...]:
    """What ``register_model`` added, which another process does not know."""
    return tuple(model for name, model in MODELS.items() if name not in _OWN)
