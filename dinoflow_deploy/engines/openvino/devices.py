"""OpenVINO itself, and the devices that it finds."""

from functools import cache
from typing import Any, Final

import numpy as np
import openvino

from dinoflow_deploy.engines.devices import Device
from dinoflow_deploy.engines.onnx_source import one_line
from dinoflow_deploy.engines.openvino.backend import DEVICES
from dinoflow_deploy.errors import DeviceError

VERSION: Final = openvino.get_version()
"""With the commit that it was built from."""
RELEASE: Final = VERSION.partition("-")[0]


@cache
def core() -> Any:
    """OpenVINO, whose devices are made once in a process."""
    return openvino.Core()


def found_devices() -> dict[Device, str]:
    """OpenVINO's names, ``CPU`` or ``GPU.1``, of the devices here that have a name of ours."""
    found: dict[Device, str] = {}
    for kind, prefix in DEVICES.items():
        names = [name for name in core().available_devices if name.partition(".")[0] == prefix]
        found |= {Device(kind, index): name for index, name in enumerate(names)}
    return found


def choose_device(device: Device) -> tuple[Device, str]:
    """The device that is meant, the CPU for "auto", and OpenVINO's name of it.

    Raises:
        DeviceError: OpenVINO does not find it.
    """
    found = found_devices()
    chosen = Device("cpu") if device.kind == "auto" else device
    if chosen not in found:
        there = ", ".join(f"{each} ({full_name(name)})" for each, name in found.items())
        raise DeviceError(
            f"OpenVINO {RELEASE} does not find the device '{device}', but {there or 'none'}: use one of "
            "these, or install the driver that Intel has for it"
        )
    return chosen, found[chosen]


def full_name(name: str) -> str:
    """What a device is, by OpenVINO's name of it."""
    return str(core().get_property(name, "FULL_DEVICE_NAME"))


def capabilities(name: str) -> tuple[str, ...]:
    """What a device computes in, ``FP32`` or ``BF16``, among other things that it can do."""
    return tuple(core().get_property(name, "OPTIMIZATION_CAPABILITIES"))


def device_problem(name: str) -> str | None:
    """Run a small convolution on a device.

    Returns:
        ``None`` if it computed, else why it did not.
    """
    from openvino import opset13 as ops

    image = ops.parameter([1, 1, 3, 3], np.float32, name="x")
    around, strides = [0, 0], [1, 1]
    ones = ops.constant(np.ones((1, 1, 3, 3), np.float32))
    model = openvino.Model([ops.convolution(image, ones, strides, around, around, strides)], [image])
    try:
        result = core().compile_model(model, name)(np.ones((1, 1, 3, 3), np.float32))[0]
    except Exception as error:  # OpenVINO raises RuntimeError, and others as plugins please
        return one_line(error)
    return None if result.item() == 9 else f"{name} computed {result.item()} where 9 was due"
