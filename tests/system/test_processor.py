from pathlib import Path

import pytest

from dinoflow_deploy.system import processor
from dinoflow_deploy.system.processor import extensions


def test_extensions_of_this_processor_are_the_kernel_s() -> None:
    listed = Path("/proc/cpuinfo").read_text().split()
    assert all(name in listed for name in extensions())
    assert list(extensions()) == sorted(extensions())


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            "flags\t\t: fpu sse2 avx2 ht avx512_bf16 avx fma amx_tile bmi1 rdrand",
            ("amx_tile", "avx", "avx2", "avx512_bf16", "bmi1", "fma"),
        ),
        ("Features\t: fp asimd sve2 i8mm bf16", ("asimd", "bf16", "fp", "i8mm", "sve2")),
        ("processor\t: 0", ()),
    ],
)
def test_what_code_may_use_of_each_architecture(
    line: str, found: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\n{line}\n\nprocessor\t: 1\n{line}\n")
    monkeypatch.setattr(processor, "_CPUINFO", cpuinfo)
    assert extensions() == found
