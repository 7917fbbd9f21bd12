import pytest

from dinoflow_deploy.errors import InputError
from dinoflow_deploy.extract.ray_pool import Node, Pool, cpu_pool, gpu_pool


@pytest.mark.parametrize(
    ("cpus", "workers", "pool"),
    [
        ([4, 4], None, Pool(2, 4)),
        ([4, 4], 4, Pool(4, 2)),
        ([4, 4], 3, Pool(3, 2)),
        ([1, 5], 2, Pool(2, 2)),
        ([1, 5], None, Pool(2, 2)),
        ([0, 6], None, Pool(1, 6)),
        ([2, 3], 5, Pool(5, 1)),
    ],
)
def test_actors_have_what_all_of_them_can_have(cpus, workers, pool: Pool) -> None:
    assert cpu_pool([Node(count) for count in cpus], workers) == pool
    assert sum(count // pool.cpus for count in cpus) >= pool.size


def test_actors_have_a_gpu_each() -> None:
    nodes = [Node(8, 4), Node(2, 4), Node(16)]
    assert gpu_pool(nodes, None) == Pool(6, 1, 1)
    assert gpu_pool(nodes, 3) == Pool(3, 1, 1)


def test_more_than_there_is_is_refused() -> None:
    with pytest.raises(InputError, match=r"workers is 6: the cluster has 5 CPUs"):
        cpu_pool([Node(2), Node(3)], 6)
    with pytest.raises(InputError, match=r"workers is 2: the cluster has 1 GPUs"):
        gpu_pool([Node(2, 1)], 2)
    with pytest.raises(InputError, match=r"the cluster has 0 CPUs"):
        cpu_pool([Node(0)], 1)
