from dataclasses import replace

import pytest

from dinoflow_deploy.engines.inductor.mismatch import Machine, causes
from tests.engines.inductor.infos import ON_CPU, ON_GPU

CPU = Machine("2.13.0+cpu", "cpu", None, "a CPU", ("avx2", "avx512f", "avx512vl", "fma", "sse4a"))
GPU = replace(CPU, torch="2.13.0+cu130", device="cuda", compute_capability="9.0")


@pytest.mark.parametrize(("info", "machine"), [(ON_CPU, CPU), (ON_GPU, GPU)])
def test_a_machine_like_the_one_that_compiled_it_runs_it(info, machine) -> None:
    assert list(causes(info, machine)) == []
    assert (
        list(causes(info, replace(machine, processor="another", extensions=(*machine.extensions, "amx"))))
        == []
    )


@pytest.mark.parametrize(
    ("info", "change", "said"),
    [
        (ON_CPU, {"torch": "2.12.1+cpu"}, "compiled by torch 2.13.0+cpu, and 2.12.1+cpu is installed"),
        (ON_CPU, {"torch": "2.13.0+cu130"}, "compiled by torch 2.13.0+cpu, and 2.13.0+cu130 is installed"),
        (ON_CPU, {"device": "cuda", "compute_capability": "9.0"}, "for the device 'cpu', not for 'cuda'"),
        (ON_GPU, {"device": "cpu", "compute_capability": None}, "for the device 'cuda', not for 'cpu'"),
        (ON_GPU, {"compute_capability": "8.9"}, "capability 9.0 (NVIDIA H200), and this GPU has 8.9"),
        (
            ON_CPU,
            {"extensions": ("avx2", "fma"), "processor": "an older CPU"},
            "compiled on a CPU and may use its avx512f, which this processor, an older CPU, lacks",
        ),
        (ON_GPU, {"extensions": ()}, "may use its avx2, avx512f, fma, which this processor, a CPU, lacks"),
    ],
)
def test_what_differs_is_said(info, change: dict, said: str) -> None:
    (cause,) = causes(info, replace(GPU if info is ON_GPU else CPU, **change))
    assert said in cause


def test_everything_that_differs_is_said_and_no_endless_list() -> None:
    info = replace(ON_GPU, extensions=tuple(f"avx{number}" for number in range(9)))
    found = list(causes(info, replace(GPU, torch="2.14.0", compute_capability="10.0")))
    assert len(found) == 3
    assert "avx0, avx1, avx3, avx4 and 4 more, which" in found[2]
