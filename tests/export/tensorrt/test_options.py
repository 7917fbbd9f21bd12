from pathlib import Path
from typing import Any

import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.export.tensorrt.options import PlanOptions, parse_compute_capabilities


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"flavour": "tensor-rt"}, "the flavour 'tensor-rt' of TensorRT is not known"),
        ({"plugin": "python"}, "the plugin 'python' is not one of auto, cpp, aot, none"),
        ({"hardware_compatibility": "all"}, "'all' is not one of none, same-cc, ampere-plus"),
        ({"optimization_level": 6}, "the optimization level 6 is outside 0 to 5"),
        ({"optimization_level": -1}, "the optimization level -1 is outside 0 to 5"),
        ({"workspace_gib": 0.0}, "a workspace of 0 GiB is not a number above 0"),
        ({"workspace_gib": float("nan")}, "a workspace of nan GiB is not a number above 0"),
        ({"compute_capabilities": ("9.0",)}, "use --flavour rtx, or --hardware-compatibility"),
        ({"flavour": "rtx", "compute_capabilities": ("89",)}, "'89' is not written like 8.9"),
        ({"flavour": "rtx", "hardware_compatibility": "same-cc"}, "has no hardware compatibility levels"),
        ({"flavour": "rtx", "timing_cache": Path("cache")}, "keeps no timing cache"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        PlanOptions(**arguments)


def test_compute_capabilities_are_read_both_ways_and_once() -> None:
    assert parse_compute_capabilities("89,120") == ("8.9", "12.0")
    assert parse_compute_capabilities("8.9, 12.0,89") == ("8.9", "12.0")
    for text in ("", "9", "sm_89", "8.9.0", "89;120"):
        with pytest.raises(InputError, match="is not written like"):
            parse_compute_capabilities(text)
