"""Where a model is served: ``grpc://HOST:PORT/MODEL``."""

import re
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl, urlsplit

from dinoflow_deploy.engines.triton.backend import BACKEND, SERVED
from dinoflow_deploy.errors import InputError

_PORT: Final = 8001
"""Triton's own for gRPC."""
_MODEL: Final = re.compile(r"/([^/]+?)(?:/(\d+))?/?")


@dataclass(frozen=True, slots=True)
class Address:
    """A model on a server.

    Attributes:
        server: ``"HOST:PORT"``.
        model: Its name.
        version: Which version of it; empty: the one that the server takes.
        options: What follows a ``?``: options of the backend by name.
    """

    server: str
    model: str
    version: str
    options: dict[str, str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``grpc://HOST[:PORT]/MODEL[/VERSION][?OPTION=VALUE&...]``.

        Raises:
            InputError: It is not written so.
        """
        try:
            parts = urlsplit(text)
            host, port = parts.hostname, parts.port or _PORT
        except ValueError as error:
            raise InputError(f"{text} is no address: {error}; write {SERVED.address}") from error
        named = _MODEL.fullmatch(parts.path)
        if not host or parts.fragment or parts.username is not None:
            raise InputError(f"{text} is no address of a Triton server: write {SERVED.address}")
        if named is None:
            raise InputError(f"{text} names no model: write {SERVED.address}, or {SERVED.address}/VERSION")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        for name in options:
            if not BACKEND.takes(name):
                known = ", ".join(option.name for option in BACKEND.options)
                raise InputError(f"{text} has the option '{name}', and there are {known}")
        server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return cls(server, named[1], named[2] or "", options)
