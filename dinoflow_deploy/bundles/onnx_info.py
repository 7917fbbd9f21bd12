"""The ONNX file of a bundle, which every bundle has."""

from dataclasses import dataclass
from typing import ClassVar, Final

from dinoflow_deploy.bundles.artefact import ArtefactInfo
from dinoflow_deploy.bundles.model_input import IMAGES
from dinoflow_deploy.bundles.parity import Parity

ONNX_NAME: Final = "model.onnx"


@dataclass(frozen=True, slots=True)
class OperatorInfo:
    """The local correlation in the graph.

    Attributes:
        radius: Largest displacement of the cost volume, in cells of 16 pixels.
        inline: Whether its body stands in the graph itself, in place of one node that calls a function.
        domain: ONNX domain of the node.
        name: Operator name of the node.
        plugin_namespace: Namespace in which TensorRT looks for a plugin.
        plugin_version: Version of that plugin.
    """

    radius: int
    inline: bool
    domain: str = "dinoflow"
    name: str = "LocalCorrelation"
    plugin_namespace: str = "dinoflow"
    plugin_version: str = "1"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxInfo(ArtefactInfo):
    """What a manifest says of the ONNX file.

    Attributes:
        opset: ONNX opset.
        operator: The local correlation in its graph.
        further_parity: Difference to the reference through other engines than that of ``parity``.
        model_input: ``"images"`` or ``"frames"``: how it takes pictures, see ``bundles.model_input``.
    """

    kind: ClassVar[str] = "onnx"

    opset: int
    operator: OperatorInfo
    further_parity: tuple[Parity, ...] = ()
    model_input: str = IMAGES.name
