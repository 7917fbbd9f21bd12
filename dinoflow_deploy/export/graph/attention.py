"""How attention is written in the exported graph, in torch."""

from torch import Tensor


def attention(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention of ``[B, heads, N, head width]``, as the exported graph writes it.

    Two plain matrix products around a softmax, Q and K each scaled beforehand, which is what TensorRT fuses
    and what keeps float16 scores in range.
    """
    scale = query.shape[-1] ** -0.25
    scores = (query * scale) @ (key * scale).transpose(2, 3)
    mixed: Tensor = scores.softmax(-1) @ value
    return mixed
