import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from dinoflow_deploy.bundles.bundle import Bundle
from dinoflow_deploy.bundles.input_range import AxisRange
from dinoflow_deploy.cli.app import app
from dinoflow_deploy.engines.inductor.package_info import PackageInfo
from dinoflow_deploy.errors import ExportError, InputError
from dinoflow_deploy.export import ExportOptions, PackageOptions, build_from_bundle, export_bundle
from dinoflow_deploy.export.inductor import maker
from dinoflow_deploy.export.shapes import RequestedShapes
from dinoflow_deploy.export.source import ModelSource
from dinoflow_deploy.models.builtin import builtin_models
from dinoflow_deploy.system.processor import extensions, processor_name
from tests.compiled_bundles import INPUTS
from tests.quick_model import QuickModel

pytestmark = pytest.mark.slow

TARGET = PackageOptions("cpu", RequestedShapes.of(INPUTS))
OPTIONS = ExportOptions(inputs=INPUTS)


@pytest.fixture
def no_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("nothing is to be compiled")

    monkeypatch.setattr(maker, "compile_model", refuse)


@pytest.fixture
def compiled_before(compiled_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler gives what it gave before."""
    monkeypatch.setattr(
        maker, "compile_model", lambda *arguments: (compiled_bundle / "model.pt2").read_bytes()
    )


def info_of(folder: Path) -> PackageInfo:
    (info,) = Bundle.open(folder).manifest.all_of(PackageInfo)
    return info


def test_what_the_manifest_says(compiled_bundle: Path) -> None:
    info = info_of(compiled_bundle)
    assert (info.file, info.inputs, info.device, info.torch) == (
        "model.pt2",
        INPUTS,
        "cpu",
        torch.__version__,
    )
    assert (info.processor, info.extensions) == (processor_name(), extensions())
    assert (info.compute_capability, info.gpu) == (None, None)
    assert info.parity is not None
    assert info.parity.reference == "pytorch fp32 on cpu"
    assert info.parity.engine == f"inductor AOTInductor of torch {torch.__version__}"
    assert info.parity.flow_px is not None
    assert info.parity.flow_px > 1, "agreement shows something"
    assert info.parity.max_px < 1e-3


def test_the_same_is_reused(compiled_bundle: Path, no_compiler: None) -> None:
    report = export_bundle(QuickModel(), compiled_bundle, OPTIONS, target=TARGET)
    assert report.reused
    lines = dict(line for line in report.artefacts[1].lines() if line[0])
    assert lines["package"].startswith("model.pt2, ")
    assert lines["package"].endswith("reused: it was there already")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"torch": "2.12.0"}, r"its package has torch 2\.12\.0, not "),
        ({"device": "cuda"}, "its package has device cuda, not cpu"),
        ({"extensions": ("avx",)}, "its package has extensions avx, not "),
        (
            {"inputs": replace(INPUTS, batch=AxisRange.fixed(3))},
            "its package has inputs batch 3, .*, not batch 2",
        ),
        ({"key": "0" * 64}, "its package was compiled by another state of this package"),
        ({"parity": None}, "its package was not verified"),
    ],
)
def test_what_differs_is_said(
    change: dict[str, Any], said: str, compiled_bundle: Path, no_compiler: None
) -> None:
    found = Bundle.open(compiled_bundle).manifest
    changed = replace(info_of(compiled_bundle), **change).artefact()
    prepared = maker.prepare(TARGET, maker.OnnxFacts(INPUTS, "fp32", inline=False, is_reference=False))
    assert list(prepared.differences(found)) == []
    (sentence,) = prepared.differences(replace(found, artefacts=(found.artefacts[0], changed)))
    assert re.match(said, sentence)
    without = replace(found, artefacts=found.artefacts[:1])
    assert list(prepared.differences(without)) == ["it holds no package of PyTorch's compiler"]


def test_flow_that_is_not_the_model_s_is_not_written(tmp_path: Path, compiled_before: None) -> None:
    """A package of other weights."""
    model = QuickModel()
    with torch.no_grad():
        model.head.output_conv[-1].weight *= 1.01
    with pytest.raises(ExportError, match=r"the flow of inductor .* is not that of pytorch fp32 on cpu"):
        export_bundle(model, tmp_path / "out", OPTIONS, target=TARGET)
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_has_no_weights_to_compile(compiled_bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"compiled from weights, which a bundle does not hold: give as --model"
    ):
        build_from_bundle(compiled_bundle, tmp_path / "out", TARGET)


def test_the_command(
    compiled_bundle: Path, compiled_before: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ModelSource, "load", lambda self: QuickModel())
    arguments = ("export", "--model", "nano", "--target", "inductor", "--device", "cpu", "--size", "64x96")
    run = CliRunner().invoke(app, [*arguments, "--batch", "2", "--output", str(tmp_path / "out")])
    assert run.exit_code == 0, run.output
    text = " ".join(run.stdout.split())
    assert "package model.pt2, " in text
    assert f"AOTInductor of torch {torch.__version__}, for the CPU, as {processor_name()}" in text
    assert "--backend inductor" in text
    assert info_of(tmp_path / "out") == info_of(compiled_bundle)
    shown = " ".join(CliRunner().invoke(app, ["inspect", str(tmp_path / "out")]).stdout.split())
    assert f"device cpu, torch {torch.__version__}" in shown
    assert f"extensions {' '.join(extensions())}" in shown


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--model", "nano", "--device", "cpu"), 2, "--device is for --target inductor"),
        (
            ("--model", "nano", "--target", "inductor", "--plugin", "none"),
            2,
            "--plugin is for --target tensorrt",
        ),
        (("--model", "BUNDLE", "--target", "inductor"), 1, "weights, which a bundle does not hold"),
    ],
)
def test_what_has_no_meaning_is_refused(
    arguments: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    bundle = str(builtin_models()["nano"].bundle)
    words = [bundle if word == "BUNDLE" else word for word in arguments]
    run = CliRunner().invoke(app, ["export", *words, "--output", str(tmp_path / "out")])
    assert run.exit_code == code
    assert said in " ".join((run.output + str(run.exception)).replace("│", " ").split())
    assert not (tmp_path / "out").exists()
