from pathlib import Path

import pytest

from dinoflow_deploy.errors import ExportError
from dinoflow_deploy.export.plugin.headers import find_headers, headers_version
from dinoflow_deploy.tensorrt.flavours import RTX, TENSORRT, Flavour
from tests.export.plugin.conftest import StandIn


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (
            "#define NV_TENSORRT_MAJOR 10 //!< major\n#define NV_TENSORRT_MINOR 9\n"
            "#define NV_TENSORRT_PATCH 0\n",
            (10, 9, 0),
        ),
        (
            "#define TRT_MAJOR_ENTERPRISE 11\n  #define TRT_MINOR_ENTERPRISE 4\n"
            "#define TRT_PATCH_ENTERPRISE 2\n"
            "#define NV_TENSORRT_MAJOR TRT_MAJOR_ENTERPRISE //!< major\n"
            "#define NV_TENSORRT_MINOR TRT_MINOR_ENTERPRISE\n"
            "#define NV_TENSORRT_PATCH TRT_PATCH_ENTERPRISE\n",
            (11, 4, 2),
        ),
    ],
    ids=["numbers", "names"],
)
def test_version_is_read_in_both_forms(text: str, version: tuple[int, int, int]) -> None:
    assert headers_version(text) == version


def test_what_defines_no_version_is_refused() -> None:
    with pytest.raises(ExportError, match="NV_TENSORRT_MAJOR"):
        headers_version("#define NV_TENSORRT_MAJOR TRT_MAJOR\n")


@pytest.mark.parametrize("inside", ["include", "include/x86_64-linux-gnu", "."])
def test_root_may_be_given_in_three_ways(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    folder = tmp_path / "other" / inside
    folder.mkdir(parents=True)
    (stand_in.root / "include" / "NvInferVersion.h").rename(folder / "NvInferVersion.h")
    headers = find_headers(TENSORRT, "11.4.0.106", tmp_path / "other")
    assert (headers.folder.resolve(), str(headers)) == (folder.resolve(), "11.1.0")


@pytest.mark.parametrize(
    ("flavour", "version", "headers"),
    [
        (TENSORRT, "11.4.0.106", "11.1.0"),
        (TENSORRT, "10.16.1.11", "10.9.0"),
        (RTX, "1.7.1", "11.1.0"),
        (RTX, "1.7.1", "1.5.0"),
    ],
)
def test_headers_of_the_same_major_version_are_taken(
    stand_in: StandIn, flavour: Flavour, version: str, headers: str
) -> None:
    stand_in.set_headers(headers)
    assert str(find_headers(flavour, version)) == headers


@pytest.mark.parametrize(
    ("flavour", "version", "headers"),
    [(TENSORRT, "11.4.0.106", "10.9.0"), (TENSORRT, "10.16.1.11", "11.1.0"), (RTX, "1.7.1", "10.9.0")],
)
def test_headers_of_another_major_version_are_refused(
    stand_in: StandIn, flavour: Flavour, version: str, headers: str
) -> None:
    stand_in.set_headers(headers)
    with pytest.raises(
        ExportError, match=f"TensorRT {headers}, but {flavour.title} {version}.*TENSORRT_ROOT"
    ):
        find_headers(flavour, version)


def test_missing_headers_say_where_they_were_looked_for(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=f"{tmp_path}/include.*libnvinfer-headers-dev.*TENSORRT_ROOT"):
        find_headers(TENSORRT, "11.4.0", tmp_path)
