"""The kernel's arithmetic without a GPU: its source compiled by g++, every thread a fiber, memory checked."""

import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor

from dinoflow_deploy.export.plugin.files import KERNEL_SOURCE
from dinoflow_deploy.train.model.correlation import local_correlation

Shape = tuple[int, int, int, int]
RunCases = Callable[..., list[Tensor]]

DRIVER = Path(__file__).with_name("kernel_on_host.cpp")
TYPES = {torch.float32: 4, torch.float16: 2, torch.bfloat16: 3}
SHAPES = [(1, 1, 1, 1), (2, 3, 2, 5), (3, 7, 5, 1), (1, 33, 3, 34), (2, 64, 1, 9), (1, 70, 4, 65)]
"""B, C, H, W: one cell; sides below the radius; channels and columns around the multiples of 32 of a tile."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed"),
]


@pytest.fixture(scope="session")
def run_cases(tmp_path_factory: pytest.TempPathFactory) -> RunCases:
    program = compile_on_host(DRIVER, folder=tmp_path_factory.mktemp("host"))
    return lambda cases, *arguments: run_program(program, cases, *arguments)


@pytest.mark.parametrize("radius", range(1, 9))
@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_equals_the_reference(run_cases: RunCases, dtype: torch.dtype, radius: int) -> None:
    cases = [(*features(shape, dtype), radius) for shape in SHAPES]
    for (first, second, _), volume in zip(cases, run_cases(cases), strict=True):
        expected = local_correlation(first.double(), second.double(), radius)
        # One rounding to the type, after sums in float whose terms are about 1.
        torch.testing.assert_close(
            volume.double(), expected, rtol=torch.finfo(dtype).eps / 2, atol=4e-6, msg=f"{first.shape}"
        )


def test_infinity_stays_where_it_is(run_cases: RunCases) -> None:
    first, second = torch.ones(2, 1, 4, 3, 40)
    second[0, 2, 1, 35] = torch.inf
    (volume,) = run_cases([(first, second, 4)])
    assert volume.isnan().sum() == 0
    torch.testing.assert_close(volume, local_correlation(first, second, 4))


def test_tensors_of_more_than_2_to_the_31_elements(run_cases: RunCases) -> None:
    first, second = features((1, 60, 25, 40), torch.float16)
    before = 40_000
    assert before * first.numel() > 2**31
    assert before * 81 * 25 * 40 > 2**31
    (volume,) = run_cases([(first, second, 4)], before)
    expected = local_correlation(first.double(), second.double(), 4)
    torch.testing.assert_close(volume.double(), expected, rtol=2**-11, atol=4e-6)


@pytest.mark.parametrize(
    ("sound", "broken"),
    [
        ("x >= width", "x > width + 4"),
        ("x < width && dx < side", "dx < side"),
        ("y >= height", "y > height"),
        ("i < count ?", "source != nullptr ?"),
        ("(c + slice) * kCells", "(c + slice + 24) * kCells"),
    ],
)
def test_a_step_outside_is_caught(tmp_path: Path, sound: str, broken: str) -> None:
    source = KERNEL_SOURCE.read_text()
    assert source.count(sound) == 1
    changed = tmp_path / "broken.cu"
    changed.write_text(source.replace(sound, broken))
    case = (*features((1, 3, 2, 33), torch.float32), 4)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run_program(compile_on_host(DRIVER, folder=tmp_path, kernel=changed), [case])
    assert b"AddressSanitizer" in caught.value.stderr


def features(shape: Shape, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(sum(shape))
    first, second = torch.randn(2, *shape, generator=generator).to(dtype)
    return first, second


def compile_on_host(
    *sources: Path, folder: Path, kernel: Path = KERNEL_SOURCE, system_folders: Sequence[Path] = ()
) -> Path:
    program = folder / "on_host"
    subprocess.run(
        [
            *("g++", "-std=c++20", "-O1", "-g1", "-Wall", "-Wno-unknown-pragmas"),
            *("-fsanitize=address,bounds", "-fno-sanitize-recover=all", f'-DKERNEL_SOURCE="{kernel}"'),
            *(f"-I{KERNEL_SOURCE.parent}", *(f"-isystem{place}" for place in system_folders)),
            *(*sources, "-o", program),
        ],
        check=True,
    )
    return program


def run_program(program: Path, cases: list[tuple[Tensor, Tensor, int]], *arguments: int) -> list[Tensor]:
    given = b"".join(packed(*case) for case in cases)
    command = [program, *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, check=True)
    volumes, start = [], 0
    for first, _, radius in cases:
        batch, _, height, width = first.shape
        shape = (batch, (2 * radius + 1) ** 2, height, width)
        count = torch.Size(shape).numel()
        data = bytearray(done.stdout)
        volumes.append(torch.frombuffer(data, dtype=first.dtype, count=count, offset=start).reshape(shape))
        start += count * first.element_size()
    assert start == len(done.stdout)
    return volumes


def packed(first: Tensor, second: Tensor, radius: int) -> bytes:
    header = struct.pack("6i", TYPES[first.dtype], radius, *first.shape)
    return header + b"".join(value.view(torch.uint8).numpy().tobytes() for value in (first, second))
