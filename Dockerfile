# dinoflow-deploy on NVIDIA's TensorRT image: TensorRT with its headers, CUDA with its compiler, Python.
# The tag exists for x86_64 and aarch64: Ubuntu 24.04, Python 3.12, CUDA 13.3, TensorRT 11.1. How to build and run
# it: docs/gh200.md.
ARG BASE=nvcr.io/nvidia/tensorrt:26.07-py3
FROM ${BASE}

RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*

# The image's own TensorRT is used: the package's extra "tensorrt" would bring a second one beside it.
RUN python3 -m venv --system-site-packages /opt/venv
# Images of NVIDIA may hold pip to the versions that they came with.
ENV PATH=/opt/venv/bin:${PATH} PIP_NO_CACHE_DIR=1 PIP_CONSTRAINT=""

# What changes least comes first, so that a change of the code does not install torch again.
# With a newer NumPy, TensorRT 11.1 refuses ahead-of-time plugins.
RUN pip install 'torch==2.13.0' 'cuda-python>=13' 'numpy<2.4'

WORKDIR /opt/dinoflow-deploy
COPY pyproject.toml README.md LICENSE ./
COPY dinoflow_deploy dinoflow_deploy
RUN pip install '.[gpu,export]'

WORKDIR /workspace
ENTRYPOINT ["dinoflow-deploy"]
CMD ["--help"]
