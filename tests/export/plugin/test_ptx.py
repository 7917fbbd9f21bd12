import re
from pathlib import Path

import pytest

from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.plugin import launch, ptx
from dinoflow_deploy.export.plugin.files import KERNEL_HEADER, KERNEL_SOURCE
from dinoflow_deploy.export.plugin.nvcc import Nvcc

pytestmark = pytest.mark.slow


def test_the_shipped_ptx_is_what_the_sources_make(real_nvcc: Nvcc) -> None:
    assert ptx.compile_ptx(real_nvcc) == ptx.load_ptx()


def test_a_changed_source_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = tmp_path / "local_correlation.cu"
    changed.write_text(KERNEL_SOURCE.read_text().replace("sum * scale", "sum"))
    monkeypatch.setattr(ptx, "KERNEL_FILES", (changed, KERNEL_HEADER))
    with pytest.raises(ExportError, match="make ptx"):
        ptx.load_ptx()


def test_ptx_is_portable() -> None:
    text = ptx.load_ptx()
    assert ".target sm_80" in text
    assert ".version 9.0" in text
    assert re.findall(r"\.visible \.entry (\w+)\(", text) == list(launch.ENTRIES.values())
    assert text.count(".maxntid 192") == len(launch.ENTRIES)
    parameters = re.findall(r"\.param (\.\w+) local_correlation_fp16_param_\d", text)
    assert parameters[:7] == [".u64", ".u64", ".u32", ".u32", ".u32", ".u32", ".u64"]
    # The limit without an opt-in at launch.
    assert max(map(int, re.findall(r"\.shared .*\[(\d+)\];", text))) <= 48 * 1024


@pytest.mark.parametrize("architecture", [80, 90])
def test_compiles_to_machine_code_without_spilling(
    real_nvcc: Nvcc, tmp_path: Path, architecture: int
) -> None:
    cubin = tmp_path / "kernel.cubin"
    strict = ["-Werror=all-warnings", "-Xptxas=-warn-spills,-Werror"]
    real_nvcc.compile(["-cubin", f"-arch=sm_{architecture}", *strict, "-o", cubin, KERNEL_SOURCE])
    assert cubin.read_bytes().startswith(b"\x7fELF")


def test_launch_says_what_the_header_says() -> None:
    header = dict(re.findall(r"constexpr int (\w+) = (\d+);", KERNEL_HEADER.read_text()))
    names = ("_COLUMNS", "_ROWS_DY", "_COLUMNS_DX", "THREADS", "MAXIMUM_RADIUS")
    assert [getattr(launch, name) for name in names] == list(map(int, header.values()))


@pytest.mark.parametrize(
    ("batch", "height", "width", "radius", "blocks"),
    [
        (1, 28, 64, 4, 28 * 2 * 3),
        (2, 1, 1, 1, 2),
        (1, 24, 78, 5, 24 * 3 * 4 * 2),
        (1, 68, 120, 8, 68 * 4 * 6 * 2),
    ],
)
def test_block_count(batch: int, height: int, width: int, radius: int, blocks: int) -> None:
    assert launch.block_count(batch, height, width, radius) == blocks
