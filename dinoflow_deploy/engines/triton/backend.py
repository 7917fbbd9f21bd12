"""The row of Triton."""

from typing import Final

from dinoflow_deploy.engines.backend import Backend, Option, Package
from dinoflow_deploy.engines.kinds import Kind

SERVED: Final = Kind("served", "a model of a Triton server", address="grpc://HOST:8001/MODEL")

BACKEND: Final = Backend(
    name="triton",
    runs=(SERVED,),
    devices=("server",),
    engine="dinoflow_deploy.engines.triton.engine:TritonEngine",
    packages=(
        Package(
            modules=("tritonclient.grpc",),
            title="tritonclient",
            distributions=("tritonclient",),
            enables="computing on a Triton server",
            extra="triton",
        ),
    ),
    options=(Option("shared_memory"), Option("timeout"), Option("retry_for")),
    hint="dinoflow-deploy export --target triton --model {source} --output REPOSITORY, for a server",
)
