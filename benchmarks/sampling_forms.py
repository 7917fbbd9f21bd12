"""The sampling as it is exported against the form that it had before, through ONNX Runtime and OpenVINO.

Exports sample at positions clamped to the middles of the outer cells, with zeros beyond; before, anywhere,
with the border's values beyond, which is the same flow. Each model is exported in both forms, and each engine
runs each form in a process of its own; they take turns as those of ``engine_speed.py`` do. "ratio" is to ONNX
Runtime on the form before.

Run: python benchmarks/sampling_forms.py
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional as F

from dinoflow_deploy.bench.engine_process import EngineProcess, EngineSource
from dinoflow_deploy.export import ExportOptions, export_bundle
from dinoflow_deploy.export.graph import onnx_forms
from dinoflow_deploy.export.graph.graph_builder import GraphBuilder, Symbol
from dinoflow_deploy.train.model import load_model
from dinoflow_deploy.train.model.dysample import DySample
from engine_speed import figures, open_engine, show, take_turns, threads_argument, use_empty_cache
from models import model_files
from recording import Found, Record, argument_parser, missing, size_argument, size_text

FORMS: Final = ("border", "zeros")
"""Named by what is beyond the frame; the second one is what is exported."""
BACKENDS: Final = ("onnxruntime", "openvino")
FIRST: Final = "onnxruntime border"


class BorderSample(DySample):
    """DySample in the form before."""

    def forward(self, feature: Tensor) -> Tensor:
        """As ``DySample``'s, in float32."""
        batch, channels, rows, columns = feature.shape
        offset = self.offset(feature) * self.scope(feature).sigmoid() * 0.5 + self.init_pos
        grid = self._sampling_grid(offset, batch, rows, columns)
        grouped = feature.reshape(batch * self.groups, channels // self.groups, rows, columns)
        sampled = F.grid_sample(grouped, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return sampled.reshape(batch, channels, self.scale * rows, self.scale * columns)

    def _sampling_grid(self, offset: Tensor, batch: int, rows: int, columns: int) -> Tensor:
        x_offset, y_offset = offset.reshape(batch, 2, -1, rows, columns).unbind(1)
        x = torch.arange(columns, dtype=offset.dtype, device=offset.device) + 0.5
        y = torch.arange(rows, dtype=offset.dtype, device=offset.device) + 0.5
        x_position = (x_offset + x[None, None, None, :]) * (2 / columns) - 1.0
        y_position = (y_offset + y[None, None, :, None]) * (2 / rows) - 1.0
        shuffled = [F.pixel_shuffle(each, self.scale) for each in (x_position, y_position)]
        return torch.stack(shuffled, dim=-1).flatten(0, 1)


def pixel_shuffle(graph: GraphBuilder, symbol: Symbol, factor: int) -> Symbol:
    """Its form in ONNX, which the exporter has no use for any more."""
    batch, channels, height, width = symbol.shape
    shape = (batch, channels // factor**2, height * factor, width * factor)
    return graph.node("DepthToSpace", [symbol], shape, symbol.dtype, mode="CRD", blocksize=factor)


def main() -> None:
    arguments = parse_arguments()
    with (
        Record(arguments, show, figures, results=[], profiles=[]) as record,
        tempfile.TemporaryDirectory() as folder,
    ):
        use_empty_cache(folder)
        for name, size in arguments.cases:
            model: Found = {"model": name, "size": size, "backend": "exporting"}
            with record.attempt(name, model):
                bundles = export_forms(name, Path(folder) / size_text(size))
            if missing(model):
                record.results["results"].append(model)
            else:
                measure(name, bundles, size, arguments, record)


def parse_arguments() -> argparse.Namespace:
    parser = argument_parser(__file__, __doc__)
    parser.add_argument(
        "--cases",
        nargs="+",
        type=case,
        default=[("nano", (448, 1024)), ("vits16", (256, 448))],
        metavar="MODEL=HxW",
        help="models and the sizes of their frames (default: nano=448x1024 vits16=256x448)",
    )
    parser.add_argument("--rounds", type=int, default=7, help="turns of each (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a turn (default: %(default)s)")
    threads_argument(parser)
    return parser.parse_args()


def case(text: str) -> tuple[str, tuple[int, int]]:
    name, size = text.split("=")
    return name, size_argument(size)


def export_forms(name: str, folder: Path) -> dict[str, Path]:
    """A model's bundles by form."""
    folder = folder / name
    folder.mkdir(parents=True)
    weights = model_files(name, folder).weights
    bundles = {form: folder / form for form in FORMS}
    for form, bundle in bundles.items():
        model = load_model(weights)
        if form == "border":
            for module in model.modules():
                if isinstance(module, DySample):
                    module.__class__ = BorderSample
        with patch.dict(onnx_forms.FORMS, {F.pixel_shuffle: pixel_shuffle}):
            export_bundle(model, bundle, ExportOptions(verify=False))
    return bundles


def measure(
    name: str, bundles: dict[str, Path], size: tuple[int, int], arguments: argparse.Namespace, record: Record
) -> None:
    with ExitStack() as stack:
        engines: dict[str, tuple[EngineProcess, Found]] = {}
        for backend in BACKENDS:
            for form, bundle in bundles.items():
                title = f"{backend} {form}"
                found: Found = {"model": name, "size": size, "backend": title}
                with record.attempt(f"{name} {title}", found, record.results["results"]):
                    options = {"intra_op_threads": arguments.threads}
                    source = EngineSource(str(bundle), backend, "cpu", options)
                    engines[title] = open_engine(source, found, stack), found
        take_turns(engines, arguments, record, FIRST)


if __name__ == "__main__":
    main()
