"""Of test processes side by side (pytest-xdist) each has one core, where several threads would only wait."""

import os


def stay_on_one_core() -> None:
    """Have libraries compute on one thread: to be called before NumPy is imported, which reads it then.

    What this process starts does as well, but for ONNX Runtime, which takes it from nowhere but its options.
    """
    os.environ["OMP_NUM_THREADS"] = os.environ["OPENCV_FOR_THREADS_NUM"] = "1"
    import onnxruntime

    class OneThread(onnxruntime.SessionOptions):
        """Threads of ONNX Runtime spin while they wait."""

        def __init__(self) -> None:
            super().__init__()
            self.intra_op_num_threads = 1

    onnxruntime.SessionOptions = OneThread
