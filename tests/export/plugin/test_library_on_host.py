"""The C++ plugin without TensorRT or a GPU: its real source, driven through the interfaces of TensorRT."""

import shutil
from pathlib import Path

import pytest
import torch

from dinoflow_deploy.export.plugin.files import PLUGIN_SOURCE
from dinoflow_deploy.export.plugin.nvcc import Nvcc
from dinoflow_deploy.train.model.correlation import local_correlation
from tests.export.plugin.test_kernel_on_host import TYPES, compile_on_host, features, run_program

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")


def test_equals_the_reference_through_every_interface(
    real_headers: Path, real_nvcc: Nvcc, tmp_path: Path
) -> None:
    cuda = real_nvcc.path.parents[1] / "include"
    program = compile_on_host(
        *(HERE / "plugin_on_host.cpp", HERE / "launch_on_host.cpp", PLUGIN_SOURCE),
        folder=tmp_path,
        system_folders=[real_headers, cuda, cuda / "cccl"],
    )
    cases = [
        (*features(shape, dtype), radius)
        for dtype in TYPES
        for shape, radius in (((2, 3, 2, 5), 4), ((1, 33, 3, 34), 8))
    ]
    for (first, second, radius), volume in zip(cases, run_program(program, cases), strict=True):
        expected = local_correlation(first.double(), second.double(), radius)
        rounding = torch.finfo(first.dtype).eps / 2
        torch.testing.assert_close(volume.double(), expected, rtol=rounding, atol=4e-6)
