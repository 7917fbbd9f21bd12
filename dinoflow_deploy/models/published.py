"""Published models, which are not in this package but on the Hugging Face hub."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dinoflow_deploy.errors import HubError, ModelError
from dinoflow_deploy.models.registry import MODELS
from dinoflow_deploy.system.hub import find_cached, resolve_reference

PUBLISHED_BACKBONES: Final = {
    name: f"hub:facebook/dinov3-{name}-pretrain-lvd1689m/model.safetensors"
    for name in ("vits16", "vitb16", "vitl16")
}
"""By the name of the backbone."""


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """A model whose backbone and decoder are published.

    Attributes:
        name: One of :func:`published_models`.
    """

    name: str

    @property
    def references(self) -> tuple[str, str]:
        """Where backbone and decoder are, ``hub:owner/name/file``."""
        model = MODELS[self.name]
        return PUBLISHED_BACKBONES[model.backbone], model.published

    def cached(self) -> tuple[Path, Path]:
        """The files of backbone and decoder in the hub's cache; the network is not used.

        Raises:
            ModelError: One is not there; says how to get it.
        """
        backbone, head = map(find_cached, self.references)
        if backbone is None or head is None:
            absent = self.references[0 if backbone is None else 1]
            raise ModelError(self._steps(absent, "not in the local hub cache"))
        return backbone, head

    def fetch(self) -> tuple[Path, Path]:
        """The same files, fetched where they are not in the cache yet.

        Raises:
            ModelError: The hub refused or cannot be reached; says how to get them.
        """
        backbone, head = map(self._fetch, self.references)
        return backbone, head

    def _fetch(self, reference: str) -> Path:
        try:
            return find_cached(reference) or resolve_reference(reference)
        except HubError as error:
            raise ModelError(self._steps(reference, error.reason)) from error

    def _steps(self, reference: str, reason: str) -> str:
        backbone = "/".join(self.references[0].removeprefix("hub:").split("/")[:2])
        return (
            f"{self.name} is the published DinoFlow model, whose weights are on the Hugging Face hub; its "
            f"backbone, DINOv3, is gated. Not to be had here: {reference.removeprefix('hub:')} ({reason})\n"
            f"  1. accept the terms on https://huggingface.co/{backbone}\n"
            "  2. hf auth login\n"
            f"  3. dinoflow-deploy export --model {self.name} --output {self.name}-bundle, a bundle that "
            f"--model takes; or the same command again, which then runs {self.name} in PyTorch"
        )


def published_models() -> list[str]:
    """The names of the published models."""
    return [model.name for model in MODELS.values() if model.published]


def find_published(source: str | Path) -> PublishedModel | None:
    """The published model of a name; a file or folder of that name, such as its bundle, goes before it."""
    if source in published_models() and not Path(source).exists():
        return PublishedModel(str(source))
    return None
