"""The Triton engine: a model that a Triton Inference Server runs, here or elsewhere."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from dinoflow_deploy.bundles.input_range import AxisRange, InputRange
from dinoflow_deploy.bundles.model_input import FRAMES
from dinoflow_deploy.engines.base import EngineDescription, FlowEngine
from dinoflow_deploy.engines.devices import KINDS, Device
from dinoflow_deploy.engines.frames import Pictures, Tensor
from dinoflow_deploy.engines.triton.address import Address
from dinoflow_deploy.engines.triton.backend import BACKEND
from dinoflow_deploy.engines.triton.connection import Connection
from dinoflow_deploy.engines.triton.options import RequestOptions
from dinoflow_deploy.errors import DeviceError
from dinoflow_deploy.flow.padding import Padding

PAIRS_AT_ONCE: Final = 8
"""Pairs of one batch that are on their way at once; the server joins what it can."""


class TritonEngine(FlowEngine):
    """Computes on a Triton server, through the front that ``export --target triton`` writes.

    Frames go to the server as they are, and flow comes back; padding, batching and the device are the
    server's. A pair that finds the server restarting is sent again. An engine stays with the version of the
    model that it found when it was loaded.

    Args:
        source: ``"grpc://HOST:8001/MODEL"``, perhaps with ``/VERSION``, and perhaps with options behind a
            ``?``: ``"grpc://HOST:8001/MODEL?shared_memory=off&timeout=30"``.
        device: ``"auto"``: the server's.
        convert_colors: Take grey and RGBA frames too.
        options: ``shared_memory``, ``timeout`` and ``retry_for``, see ``RequestOptions``; they go before
            those of the address.

    Raises:
        InputError: The address, or an option, is not one.
        DeviceError: A device was asked for, or shared memory that the server cannot open.
        EngineError: The server does not answer, or has no such model, or it is not a front of this package.
    """

    def __init__(
        self, source: str, *, device: str = "auto", convert_colors: bool = False, **options: Any
    ) -> None:
        if Device.parse(device, KINDS).kind != "auto":
            raise DeviceError(f"{source} computes on its server's device: leave out the device '{device}'")
        address = Address.parse(source)
        self._connection = Connection(address, RequestOptions.of({**address.options, **options}))
        self._pool = ThreadPoolExecutor(PAIRS_AT_ONCE, thread_name_prefix="triton")
        served = self._connection.served
        most = served.inputs.batch.max
        super().__init__(
            EngineDescription(
                model=served.model,
                backend=BACKEND.name,
                device=BACKEND.devices[0],
                provider=self._connection.title,
                precision=served.precision,
                source=source,
                inputs=InputRange(AxisRange(1, 1, most), served.inputs.height, served.inputs.width),
            ),
            convert_colors=convert_colors,
            model_input=FRAMES,
        )

    def _layout(self, count: int, height: int, width: int) -> tuple[Padding, int]:
        # Refuses what the server would refuse; padding is the server's.
        super()._layout(count, height, width)
        return Padding(height, width, height, width), count

    @property
    def calls_at_once(self) -> int:
        """Two: a pair is on its way while the server computes another."""
        return 2

    def _run(self, images1: Pictures, images2: Pictures) -> Tensor:
        if len(images1) == 1:
            return self._connection.flow(images1[0], images2[0])[np.newaxis]
        return np.stack(list(self._pool.map(self._connection.flow, images1, images2)))

    def _release(self) -> None:
        self._pool.shutdown()
        self._connection.close()
