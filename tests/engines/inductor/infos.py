"""What manifests say of packages."""

from dinoflow_deploy.engines.inductor.package_info import PackageInfo
from tests.compiled_bundles import INPUTS

ON_CPU = PackageInfo(
    file="model.pt2",
    inputs=INPUTS,
    tools={},
    key=None,
    parity=None,
    device="cpu",
    torch="2.13.0+cpu",
    compute_capability=None,
    gpu=None,
    processor="a CPU",
    extensions=("avx2", "avx512f", "fma"),
)
ON_GPU = PackageInfo(
    file="model.pt2",
    inputs=INPUTS,
    tools={},
    key=None,
    parity=None,
    device="cuda",
    torch="2.13.0+cu130",
    compute_capability="9.0",
    gpu="NVIDIA H200",
    processor="a CPU",
    extensions=("avx2", "avx512f", "fma"),
)
