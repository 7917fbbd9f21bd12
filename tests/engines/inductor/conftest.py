from collections.abc import Callable
from pathlib import Path

import pytest

from dinoflow_deploy.bundles.manifest import FileInfo
from dinoflow_deploy.engines.inductor.package_info import PackageInfo
from tests.small_bundles import WriteBundle, make_manifest

WritePackage = Callable[..., Path]


@pytest.fixture
def write_package(write_bundle: WriteBundle) -> WritePackage:
    """Write a bundle whose manifest lists a package, which is none; perhaps a plan too."""

    def write(info: PackageInfo, *, plan: bool = False) -> Path:
        folder = write_bundle()
        names = ["model.onnx", info.file, *(["tensorrt.plan"] if plan else [])]
        for name in names[1:]:
            (folder / name).write_bytes(b"no such thing")
        files = {name: FileInfo.of(folder / name) for name in names}
        plans = (_plan(),) if plan else ()
        manifest = make_manifest(files, info.inputs, plans=(*plans, info))
        (folder / "manifest.json").write_text(manifest.to_json())
        return folder

    return write


def _plan():
    from dinoflow_deploy.tensorrt.plan_info import PlanInfo
    from tests.engines.inductor.infos import ON_GPU

    return PlanInfo(
        file="tensorrt.plan",
        inputs=ON_GPU.inputs,
        tools={},
        key=None,
        parity=None,
        flavour="tensorrt",
        version="11.4.0",
        compute_capabilities=("9.0",),
        gpu="NVIDIA H200",
        driver="580.159",
        plugin="none",
        hardware_compatibility="none",
        optimization_level=3,
    )
