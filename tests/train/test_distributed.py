"""Several processes are one run."""

import dataclasses
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from signal import SIGINT
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, distributed, nn
from torch.distributed import TCPStore

from dinoflow_deploy.errors import DeviceError
from dinoflow_deploy.train import compilation, trainer
from dinoflow_deploy.train.batches import validation_samples
from dinoflow_deploy.train.distributed import Process, gather_objects, launch, process_group, share_buffers
from dinoflow_deploy.train.model import FlowModel, FlowModelConfig, load_model, save_model
from dinoflow_deploy.train.opened_recipe import open_recipe
from dinoflow_deploy.train.validation import Validation, validate
from tests.forked import forking
from tests.train.micro import CPU, compiled_recipe, micro_recipe, register_micro

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    # Not fork: torch has used threads in this process.
    with ProcessPoolExecutor(2, mp_context=forking()) as executor:
        yield executor


def in_processes(
    pool: ProcessPoolExecutor, count: int, function: Callable[..., Any], *arguments: Any
) -> list[Any]:
    """Call a function of a ``Process`` in processes that are one run, one or two."""
    # Held here, as torchrun's agent does: a port that is free now may be another program's when rank 0 is up.
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    parts = [pool.submit(_as_rank, rank, count, store.port, function, *arguments) for rank in range(count)]
    return [part.result(timeout=300) for part in parts]


def _as_rank(rank: int, count: int, port: int, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function with the process group of what torchrun says in the environment."""
    torch.set_num_threads(1)
    place = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": count,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
    }
    torchrun = {"RUN_ID": "test", "USE_AGENT_STORE": "True", "RESTART_COUNT": "0"}
    os.environ |= {name: str(value) for name, value in place.items()}
    os.environ |= {f"TORCHELASTIC_{name}": value for name, value in torchrun.items()}
    with process_group("cpu") as process:
        return function(process, *arguments)


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


def _train(process: Process, folder: Path) -> tuple[list[str], list[float]]:
    """What a process validates, and the errors it is told."""
    register_micro()
    recipe = micro_recipe(folder, steps="3", every="2", flow_weight="1.0", batch_size="2")
    models: list[str] = []
    errors: list[float] = []

    def recording(model: nn.Module, *arguments: Any) -> Validation:
        models.append(_digest(model.state_dict()))
        result = validate(model, *arguments)
        errors.append(result.epe)
        return result

    trainer.validate = recording  # type: ignore[assignment]
    trainer.train(recipe, folder / "run", process)
    return models, errors


def test_processes_train_one_model(tmp_path, pool, micro):
    # With a backbone that learns, whose last norm no loss reaches, and no stage without the flow loss.
    (models, errors), (other_models, other_errors) = in_processes(pool, 2, _train, tmp_path)
    assert len(models) == 3
    # Weights by their gradients, BatchNorm's statistics by being shared before a validation.
    assert models == other_models
    assert errors == other_errors
    assert models[-1] == _digest(load_file(tmp_path / "run/last.safetensors"))
    # What was measured is what was saved.
    recipe = micro_recipe(tmp_path)
    pairs = validation_samples(open_recipe(recipe).held_out, 0, 1, 0)
    result = validate(load_model(tmp_path / "run/last.safetensors"), pairs, CPU)
    assert errors[-1] == pytest.approx(result.epe, rel=1e-4)


def _train_compiled(process: Process, folder: Path) -> list[str]:
    register_micro()
    compilation.BACKEND = "eager"
    # Two parts of one pair for each process in the second stage.
    compiled = compiled_recipe(folder)
    compiled = dataclasses.replace(
        compiled, stages=(dataclasses.replace(compiled.stages[-1], steps=3, batch_size=4),)
    )
    eager = dataclasses.replace(compiled, optimizer=dataclasses.replace(compiled.optimizer, compile=False))
    outputs = {folder / "compiled": compiled, folder / "eager": eager}
    for output, recipe in outputs.items():
        trainer.train(recipe, output, process)
    distributed.barrier()
    return [_digest(load_file(output / "last.safetensors")) for output in outputs]


def test_processes_train_compiled_what_they_train_eagerly(tmp_path, pool):
    digests = {digest for each in in_processes(pool, 2, _train_compiled, tmp_path) for digest in each}
    assert len(digests) == 1


def _share(process: Process) -> tuple[list[float], list[object]]:
    model = nn.BatchNorm1d(1)
    with torch.no_grad():
        model.weight.fill_(process.rank)
        for buffer in (model.running_mean, model.running_var, model.num_batches_tracked):
            assert buffer is not None
            buffer.fill_(5 + process.rank)
    share_buffers(model)
    return [value.item() for value in model.state_dict().values()], gather_objects({"rank": process.rank})


def test_buffers_are_rank_0_s_and_objects_come_in_order(pool):
    for rank, (values, objects) in enumerate(in_processes(pool, 2, _share)):
        assert values == [rank, 0, 5, 5, 5]
        assert objects == [{"rank": 0}, {"rank": 1}]


def test_one_process_needs_no_group(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    with process_group("cpu") as process:
        assert (process.rank, process.world_size, process.is_main) == (0, 1, True)
        assert process.device == torch.device("cpu")
        assert gather_objects("alone") == ["alone"]
        share_buffers(nn.BatchNorm1d(1))


def test_auto_is_cuda_where_there_is_one(monkeypatch):
    for available, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        with process_group("auto") as process:
            assert process.device.type == expected


@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("cuda", "--device cuda: torch finds no CUDA device here; install .*, or pass --device cpu"),
        ("tpu", "--device tpu: choose auto, cpu or cuda"),
        ("cuda:1", "--device cuda:1: choose auto, cpu or cuda"),
    ],
)
def test_a_device_that_cannot_be_had_is_refused(monkeypatch, device, message):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=message), process_group(device):
        pass


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(DeviceError, match=r"1 CUDA device.*--nproc 1"), process_group("auto"):
        pass


def test_launching_gives_the_exit_code(monkeypatch):
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure

    commands: list[tuple[int, tuple[object, ...]]] = []

    def ending(error: Exception | None) -> Callable[..., Callable[..., None]]:
        def elastic_launch(config: Any, entrypoint: object) -> Callable[..., None]:
            def run(*command: object) -> None:
                commands.append((config.nproc_per_node, (entrypoint, *command)))
                if error:
                    raise error

            return run

        return elastic_launch

    monkeypatch.setattr("sys.argv", ["dinoflow-deploy", "train", "--nproc", "3"])
    monkeypatch.setattr("os.sched_getaffinity", lambda process: set(range(7)))
    # Set first, so that the test's end takes it back.
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    monkeypatch.delenv("OMP_NUM_THREADS")
    failed = ChildFailedError("train", {0: ProcessFailure(0, 1, 1, "nowhere")})
    stopped = SignalException("stopped", SIGINT)
    for error, code in ((None, 0), (failed, 1), (stopped, 130)):
        monkeypatch.setattr("torch.distributed.launcher.api.elastic_launch", ending(error))
        assert launch(3) == code
    assert os.environ["OMP_NUM_THREADS"] == "2", "the cores are shared out"
    assert commands == [(3, (sys.executable, "-m", "dinoflow_deploy", "train", "--nproc", "3"))] * 3


def _train_parts(process: Process, folder: Path) -> float | None:
    register_micro()
    # A folder for each rank: the other may be reading while this one writes.
    (folder / str(process.rank)).mkdir(exist_ok=True)
    values = {"steps": "3", "batch_size": "4", "flow_weight": "1.0", "train_backbone": "false"}
    recipe = micro_recipe(folder / str(process.rank), ema_decay="0", **values)
    size = 2 if process.world_size == 1 else 0
    # Taken from two pairs of two by three cells, statistics would make rounding a thousand times as large.
    stages = tuple(
        dataclasses.replace(stage, freeze_batch_norm=True, micro_batch=size) for stage in recipe.stages
    )
    recipe = dataclasses.replace(recipe, stages=stages)
    output = folder / f"{process.world_size} processes"
    return trainer.train(recipe, output, process, init_from=folder / "start.safetensors").start_epe


def test_one_process_in_two_parts_learns_what_two_processes_learn(tmp_path, pool, micro):
    torch.manual_seed(1)
    start = FlowModel(FlowModelConfig(micro))
    save_model(start, tmp_path / "start.safetensors")
    starts = in_processes(pool, 2, _train_parts, tmp_path)
    assert starts == pytest.approx([_train_parts(CPU, tmp_path)] * 2, rel=1e-5)
    alone, both = (load_file(tmp_path / f"{count} processes/last.safetensors") for count in (1, 2))
    for name in alone:
        torch.testing.assert_close(alone[name], both[name], atol=2e-6, rtol=1e-5, msg=name)
    weight = "head.output_conv.0.weight"
    assert (alone[weight] - start.state_dict()[weight]).abs().max() > 1e-3
