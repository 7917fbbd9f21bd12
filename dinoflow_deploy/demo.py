"""``make demo``: the main job from end to end, on a clip whose motion is known.

Renders a synthetic clip, runs ``dinoflow-deploy video`` on it with the built-in model through ONNX Runtime,
and compares the flow with the truth. Leaves ``demo/`` with the clip, frames beside their flow, and a contact
sheet.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from dinoflow_deploy.atomic import atomic_file
from dinoflow_deploy.datasets import SceneConfig, SyntheticClip, render_clip
from dinoflow_deploy.errors import DinoFlowError
from dinoflow_deploy.flow import FlowErrorSums, flow_error_sums, read_flow
from dinoflow_deploy.flow.arrays import Flow, Image
from dinoflow_deploy.video.render import colors
from dinoflow_deploy.video.writer import VideoWriter

FOLDER = Path("demo")
MODEL = "nano"
SCENE = SceneConfig(height=256, width=384, static_probability=0.0)
SEED = 20_260_001
"""A scene that no training run or validation of the built-in model has seen."""
FRAMES = 48
RATE = Fraction(25)

_NEARLY_LOSSLESS = 4  # x264's constant rate factor
_COLUMNS = 4  # of the contact sheet
_MARGIN, _LABEL_WIDTH, _HEADER = 8, 150, 28  # of the contact sheet, px


def main() -> None:
    """Run the demonstration in the current folder."""
    clip_file, video_file, sheet_file = (
        FOLDER / name for name in ("input.mp4", "side-by-side.mp4", "contact-sheet.png")
    )
    print(f"rendering {FRAMES} frames of {SCENE.width}x{SCENE.height} with known motion", flush=True)
    clip = render_clip(SCENE, SEED, FRAMES)
    _write_clip(clip_file, clip)
    with tempfile.TemporaryDirectory() as folder:
        flow_folder, report_file = Path(folder) / "flow", Path(folder) / "report.json"
        _run_command(clip_file, video_file, flow_folder, report_file)
        report = json.loads(report_file.read_text())
        flows = [read_flow(file)[0] for file in sorted(flow_folder.iterdir())]
    _write_sheet(sheet_file, clip, flows, report["max_flow"])
    _print_errors(clip, flows)
    print(f"speed: {report['pairs_per_second']:.1f} frames per second, from reading to writing")
    for file, content in (
        (clip_file, "the clip"),
        (video_file, "frame | flow"),
        (sheet_file, "frame, predicted flow, true flow"),
    ):
        print(f"{file}: {content}")


def _write_clip(path: Path, clip: SyntheticClip) -> None:
    with (
        atomic_file(path, overwrite=True) as partial,
        VideoWriter(partial, rate=RATE, time_base=1 / RATE, quality=_NEARLY_LOSSLESS) as writer,
    ):
        for number, frame in enumerate(clip.frames):
            writer.write(frame, number)


def _run_command(clip: Path, output: Path, flow_folder: Path, report: Path) -> None:
    options = ["--model", MODEL, "--backend", "onnxruntime", "--render", "side-by-side", "--overwrite"]
    shown = ["video", str(clip), str(output), *options]
    print(f"$ dinoflow-deploy {' '.join(shown)}", flush=True)
    hidden = ["--save-flow", str(flow_folder), "--json", str(report)]
    done = subprocess.run([sys.executable, "-m", "dinoflow_deploy", *shown, *hidden], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def _print_errors(clip: SyntheticClip, flows: Sequence[Flow]) -> None:
    pairs = list(zip(flows, clip.flow, clip.occluded, strict=True))
    print(f"\nend-point error in pixels, over {len(pairs)} pairs   all pixels   visible in both frames")
    for name, still in ((MODEL, 1.0), ("zero flow", 0.0)):
        every, visible = (
            sum(
                (flow_error_sums(flow * still, truth, ~(occluded & hide)) for flow, truth, occluded in pairs),
                FlowErrorSums(),
            )
            .metrics()
            .epe
            for hide in (False, True)
        )
        print(f"{name:<45}{every:>11.2f}{visible:>25.2f}")


def _write_sheet(path: Path, clip: SyntheticClip, flows: Sequence[Flow], max_flow: float) -> None:
    columns = np.linspace(0, len(flows) - 1, _COLUMNS).round().astype(int)
    rows = {
        "frame": [clip.frames[number] for number in columns],
        "predicted flow": [colors(flows[number], max_flow) for number in columns],
        "true flow": [colors(clip.flow[number], max_flow) for number in columns],
    }
    titles = [f"frame {number}" for number in columns]
    sheet = contact_sheet(rows, titles)
    with atomic_file(path, overwrite=True) as partial:
        partial.write_bytes(cv2.imencode(".png", sheet[..., ::-1])[1].tobytes())


def contact_sheet(rows: dict[str, list[Image]], titles: Sequence[str]) -> Image:
    """Pictures of one size in labelled rows under titled columns.

    Args:
        rows: ``uint8 [H, W, 3]`` each, by the label of their row.
        titles: One per column.

    Returns:
        ``uint8``, RGB, on white.
    """
    height, width = next(iter(rows.values()))[0].shape[:2]
    step_down, step_right = height + _MARGIN, width + _MARGIN
    size = (_HEADER + len(rows) * step_down, _LABEL_WIDTH + len(titles) * step_right, 3)
    sheet = np.full(size, 255, np.uint8)
    for column, title in enumerate(titles):
        _write_text(sheet, title, _LABEL_WIDTH + column * step_right, _HEADER - 9)
    for row, (label, pictures) in enumerate(rows.items()):
        top = _HEADER + row * step_down
        _write_text(sheet, label, _MARGIN, top + height // 2)
        for column, picture in enumerate(pictures):
            left = _LABEL_WIDTH + column * step_right
            sheet[top : top + height, left : left + width] = picture
    return sheet


def _write_text(sheet: Image, text: str, left: int, bottom: int) -> None:
    cv2.putText(sheet, text, (left, bottom), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)


if __name__ == "__main__":
    try:
        main()
    except DinoFlowError as error:
        sys.exit(f"error: {error}")
