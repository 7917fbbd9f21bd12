import pytest

from dinoflow_deploy.engines import load_engine
from dinoflow_deploy.engines.triton.address import Address
from dinoflow_deploy.errors import InputError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("grpc://host:8001/dinoflow", Address("host:8001", "dinoflow", "", {})),
        ("grpc://host/dinoflow/", Address("host:8001", "dinoflow", "", {})),
        ("grpc://10.0.0.1:9000/my.model-2/12", Address("10.0.0.1:9000", "my.model-2", "12", {})),
        ("grpc://[::1]:9000/dinoflow", Address("[::1]:9000", "dinoflow", "", {})),
        (
            "grpc://host/dinoflow?shared_memory=off&timeout=5",
            Address("host:8001", "dinoflow", "", {"shared_memory": "off", "timeout": "5"}),
        ),
    ],
)
def test_addresses(text: str, address: Address) -> None:
    assert Address.parse(text) == address


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grpc://", "is no address of a Triton server: write grpc://HOST:8001/MODEL"),
        ("grpc:///dinoflow", "is no address of a Triton server"),
        ("grpc://me@host/dinoflow", "is no address of a Triton server"),
        ("grpc://host:8001", "names no model: write grpc://HOST:8001/MODEL, or"),
        ("grpc://host/dinoflow/newest", "names no model"),
        ("grpc://host:port/dinoflow", "is no address: .*; write grpc://HOST:8001/MODEL"),
        ("grpc://[::1/dinoflow", "is no address: .*; write grpc://HOST:8001/MODEL"),
        (
            "grpc://host/dinoflow?size=3",
            "has the option 'size', and there are shared_memory, timeout, ",
        ),
        ("grpc://host/dinoflow?shared_memory=yes", "shared_memory is 'yes': it must be auto, on, off"),
        ("grpc://host/dinoflow?timeout=soon", "timeout is 'soon': it must be a number of seconds"),
        ("grpc://host/dinoflow?timeout=0", "timeout is 0 s: it must be above 0"),
        ("grpc://host/dinoflow?retry_for=-1", "retry_for is -1 s: it must be 0 or more"),
        ("grpc://host/dinoflow?retry_for=nan", "retry_for is nan s: it must be 0 or more"),
    ],
)
def test_what_is_no_address_is_refused_with_the_form(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_engine(text, "triton")
