"""README's figures are those of the records; its Python and that of docs/python.md run as they stand."""

import json
import re
from pathlib import Path

import cv2
import numpy as np

from dinoflow_deploy.flow import read_flow
from tests.video.clips import picture, write_clip

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks/results"
SETS = {
    "synthetic 256x256": "synthetic 256x256",
    "synthetic 384x512": "synthetic 384x512",
    "real pair": "real pair motorcycle",
    "shifted by (2, 0)": "shifted by (2, 0)",
    "by (5, 3)": "shifted by (5, 3)",
    "static camera": "static camera vtest",
}
THROUGH = {
    "PyTorch": "pytorch",
    "ONNX Runtime": "onnxruntime",
    "OpenVINO": "openvino",
    "PyTorch, compiled ahead": "inductor",
}
ON_GPU = {
    ("PyTorch", "fp32"): "eager-fp32",
    ("PyTorch", "bf16"): "eager-bf16",
    ("PyTorch, compiled, a CUDA graph", "bf16"): "compile-graph-bf16",
}


def python_blocks(page: Path) -> list[str]:
    """The blocks of Python, but for those that need a GPU."""
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    return [block for block in blocks if 'device="cuda"' not in block]


def table(first_cell: str) -> list[list[str]]:
    """The lines of README's table whose first line begins with this cell, the rule left out."""
    lines = README.read_text().splitlines()
    start = next(place for place, line in enumerate(lines) if re.match(rf"\| *{first_cell} *\|", line))
    end = lines.index("", start)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[start:end]]
    return [rows[0], *rows[2:]]


def test_a_newcomer_reads_it_in_one_sitting() -> None:
    assert len(README.read_text().splitlines()) <= 200


def test_accuracy_is_that_of_the_record() -> None:
    results = json.loads((RESULTS / "accuracy.json").read_text())["results"]
    (_, *sets), *rows = table("")
    assert sets == list(SETS)
    assert [row[0] for row in rows] == list(results["synthetic 256x256"])
    for name, *cells in rows:
        assert cells == [f"{results[SETS[each]][name]['every']['epe']:.2f}" for each in sets], name


def test_speed_is_that_of_the_records() -> None:
    on_cpu, on_gpu = (
        json.loads((RESULTS / name).read_text()) for name in ("engine_speed.json", "h200/gpu_speed.json")
    )
    _, *rows = table("model")
    assert len(rows) == 11
    for model, machine, through, precision, *figures in rows:
        if machine == "one H200":
            assert (model, on_gpu["device"]["name"]) == (on_gpu["settings"]["model"], "NVIDIA H200")
            found = [each for each in on_gpu["results"] if each["variant"] == ON_GPU[through, precision]]
            measured = [f"{found[0]['pairs_per_second']['median']:.1f}", "-", "-"]
        else:
            assert machine == f"{on_cpu['machine']['processor']}, {on_cpu['machine']['cores']} cores"
            wanted = (model, [448, 1024], THROUGH[through])
            (found,) = [
                each for each in on_cpu["results"] if (each["model"], each["size"], each["backend"]) == wanted
            ]
            measured = [
                f"{found['pairs_per_second']:.3g}",
                f"{found['peak_memory_bytes'] / 2**20:.0f}",
                f"{found['first_flow_seconds'][1]:.2f}",
            ]
        assert figures == measured


def test_the_python_runs(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        cv2.imwrite(f"frame{number}.png", picture(number, 96, 64)[..., ::-1])
    write_clip(Path("in.mp4"), frames=3)
    (of_readme,) = python_blocks(README)
    exec(compile(of_readme, README.name, "exec"), {})
    first = read_flow("flow.flo")[0]
    values: dict[str, np.ndarray] = {}
    for block in python_blocks(ROOT / "docs/python.md"):
        exec(compile(block, "python.md", "exec"), values)
    np.testing.assert_array_equal(read_flow("flow.flo")[0], first)
    assert first.shape == (64, 96, 2)
    np.testing.assert_array_equal(values["frame"], picture(1, 96, 64))
    assert values["occluded"].shape == values["valid"].shape == (64, 96)
    assert values["warped"].shape == (64, 96, 3)
    printed = capsys.readouterr().out
    assert "nano, fp32, openvino on cpu " in printed
    assert printed.count("px in a frame of (64, 96, 3)") == 2
