"""What TensorRT says, and who hears it; on the model."""

from dinoflow_deploy.tensorrt.log import log_of, meaningful
from tests.tensorrt_model.module import Severity, TensorRT


def test_errors_and_warnings_are_heard_apart_and_once(trt: TensorRT) -> None:
    log = log_of(trt)
    with log.listen() as messages:
        for severity, text in [
            (Severity.INTERNAL_ERROR, "broken"),
            (Severity.ERROR, "wrong"),
            (Severity.WARNING, "slow"),
            (Severity.INFO, "hello"),
            (Severity.ERROR, "wrong"),
        ]:
            log.logger.log(severity, text)
    assert (messages.errors, messages.warnings) == (["broken", "wrong"], ["slow"])
    assert messages.why() == "broken; wrong"


def test_who_has_heard_enough_is_forgotten(trt: TensorRT) -> None:
    """Every run listens: what is kept would grow."""
    log = log_of(trt)
    with log.listen() as outer:
        with log.listen() as inner:
            log.logger.log(Severity.ERROR, "to both")
        # They have heard the same, and are not the same.
        log.logger.log(Severity.ERROR, "to one")
    log.logger.log(Severity.ERROR, "to nobody")
    assert (inner.errors, outer.errors) == (["to both"], ["to both", "to one"])
    assert log._listeners == []


def test_one_tensorrt_has_one_logger(trt: TensorRT) -> None:
    assert log_of(trt) is log_of(trt)


def test_a_missing_gpu_is_left_out_where_there_is_another_reason() -> None:
    remark = "CUDA driver version is insufficient for CUDA runtime version"
    assert meaningful(f"{remark}\n a kernel is missing \n\n") == "a kernel is missing"
    assert meaningful(remark) == remark
    assert meaningful("\n") == ""
