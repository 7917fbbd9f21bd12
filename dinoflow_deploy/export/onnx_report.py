"""What came of exporting an ONNX file."""

import shlex
from dataclasses import dataclass

from dinoflow_deploy.bundles.manifest import Manifest, ModelInfo
from dinoflow_deploy.bundles.onnx_info import OnnxInfo
from dinoflow_deploy.export.report import ArtefactReport, Lines, parity_lines


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxReport(ArtefactReport):
    """What came of exporting an ONNX file.

    Attributes:
        info: What the manifest says of it.
        model: Which model it holds.
        precision: What that computes in.
        nodes: Number of nodes in its graph; ``None`` where the graph was not looked at.
    """

    info: OnnxInfo
    model: ModelInfo
    precision: str
    nodes: int | None = None

    @classmethod
    def of(cls, manifest: Manifest) -> "OnnxReport":
        """The report of a file that is there."""
        info = manifest.onnx
        return cls(
            info=info,
            bytes=manifest.files[info.file].bytes,
            model=manifest.model,
            precision=manifest.precision,
        )

    def lines(self) -> Lines:
        """What it is: model, shapes, file, parity."""
        operator = self.info.operator
        form = "in standard operators" if operator.inline else f"as {operator.domain}::{operator.name}"
        counted = f"{self.nodes} nodes, " if self.nodes is not None else ""
        yield "model", f"{self.model.name}, {self.precision}, opset {self.info.opset}"
        yield "shapes", str(self.info.inputs)
        yield "file", f"{self.info.file}, {self.bytes / 1e6:.1f} MB, {counted}local correlation {form}"
        yield from parity_lines(self.info.parity, self.parity, "not verified")
        for parity in self.info.further_parity:
            yield from parity_lines(parity, (), "")

    def next_command(self, bundle: str) -> str:
        """Run it; a file in bf16, for which the CPU has no kernels, is for TensorRT."""
        if self.precision != "bf16":
            return f"dinoflow-deploy video in.mp4 --model {bundle}"
        (folder,) = shlex.split(bundle)
        output = shlex.quote(f"{folder}-tensorrt")
        return (
            f"dinoflow-deploy export --target tensorrt --model {bundle} --output {output}\n"
            "bf16 runs with TensorRT; ONNX Runtime's CPU has no bfloat16"
        )
