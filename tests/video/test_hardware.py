import av
import numpy as np
import pytest

from dinoflow_deploy.errors import InputError, VideoError
from dinoflow_deploy.video import (
    Selection,
    VideoOptions,
    VideoWriter,
    decoding,
    hardware,
    open_source,
    sources,
)
from dinoflow_deploy.video.outputs import check_outputs
from tests.video.clips import NTSC, NumberedSource, decode, picture, write_clip


def works(check, name) -> bool:
    try:
        check(name)
    except InputError:
        return False
    return True


HAS_NVDEC = works(hardware.gpu_decoder, "cuda")
HAS_NVENC = works(hardware.check_encoder, "nvenc")


@pytest.mark.skipif(HAS_NVDEC, reason="there is NVDEC")
def test_a_decoder_that_is_not_there_is_refused(clip):
    with pytest.raises(
        InputError, match=r"decoder 'cuda' needs an (NVIDIA GPU|FFmpeg).*choose decoder 'cpu'"
    ):
        open_source([str(clip)], decoder="cuda")


@pytest.mark.skipif(HAS_NVENC, reason="there is NVENC")
def test_an_encoder_that_is_not_there_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(
        InputError, match=r"encoder 'nvenc' needs an (NVIDIA GPU|FFmpeg).*choose encoder 'x264'"
    ):
        check_outputs(tmp_path / "a.mp4", VideoOptions(encoder="nvenc"), NumberedSource(3))


def test_an_ffmpeg_that_is_built_without_them_is_named(monkeypatch):
    monkeypatch.setattr(hardware, "hwdevices_available", lambda: ["qsv"])
    with pytest.raises(InputError, match="'cuda' needs an FFmpeg with CUDA, and this PyAV's is without"):
        hardware.gpu_decoder("cuda")
    monkeypatch.setattr(av, "codecs_available", {"libx264"})
    with pytest.raises(
        InputError, match="'nvenc' needs an FFmpeg with h264_nvenc, and this PyAV's is without"
    ):
        hardware.check_encoder("nvenc")


def test_names_that_are_none_are_refused(tmp_path, clip):
    with pytest.raises(InputError, match="decoder is 'gpu': choose one of auto, cpu, cuda"):
        open_source([str(clip)], decoder="gpu")
    with pytest.raises(InputError, match="encoder is 'h264': choose one of auto, x264, nvenc"):
        check_outputs(tmp_path / "a.mp4", VideoOptions(encoder="h264"), NumberedSource(3))


@pytest.mark.parametrize("name", ["a.webm", "a.gif"])
def test_an_encoder_is_for_mp4_alone(tmp_path, name):
    with pytest.raises(InputError, match=rf"encoder 'x264' is for \.mp4 files, and .*{name} is none"):
        check_outputs(tmp_path / name, VideoOptions(encoder="x264"), NumberedSource(3))
    with pytest.raises(InputError, match=r"encoder 'x264' is for \.mp4 files, and none is written"):
        check_outputs(None, VideoOptions(encoder="x264", save_flow=tmp_path / "flow"), NumberedSource(3))


def test_auto_is_the_cpu(tmp_path, clip):
    assert hardware.gpu_decoder("auto") is hardware.gpu_decoder("cpu") is None
    with open_source([str(clip)], decoder="cpu") as first, open_source([str(clip)]) as second:
        for named, chosen in zip(first.frames(Selection()), second.frames(Selection()), strict=True):
            np.testing.assert_array_equal(named.image, chosen.image)
    for encoder in ("auto", "x264"):
        with VideoWriter(tmp_path / encoder, rate=NTSC, time_base=1 / NTSC, encoder=encoder) as writer:
            writer.write(picture(0, 96, 64), 0)
    assert (tmp_path / "auto").read_bytes() == (tmp_path / "x264").read_bytes()


@pytest.fixture
def a_gpu_that_decodes_nothing(monkeypatch):
    """PyAV opens files with it, and no stream of them is accelerated."""
    opened = av.open
    for module in (decoding, sources):
        monkeypatch.setattr(module, "gpu_decoder", lambda decoder: object() if decoder == "cuda" else None)
    monkeypatch.setattr(
        decoding.av, "open", lambda *args, hwaccel=None, **settings: opened(*args, **settings)
    )


@pytest.mark.usefixtures("a_gpu_that_decodes_nothing")
def test_a_codec_that_the_gpu_does_not_decode_is_named(tmp_path):
    path = write_clip(tmp_path / "a.mkv", frames=2, codec="mpeg4")
    with pytest.raises(
        VideoError, match=r"a\.mkv holds mpeg4 of 96x64, of a kind that the GPU does not decode"
    ):
        open_source([str(path)], decoder="cuda")


@pytest.mark.usefixtures("a_gpu_that_decodes_nothing")
def test_what_ffmpeg_does_not_decode_is_no_work_for_a_gpu(tmp_path):
    for number in range(2):
        frame = av.VideoFrame.from_ndarray(picture(number, 32, 32), format="rgb24")
        frame.save(str(tmp_path / f"{number}.png"))
    with pytest.raises(
        InputError, match=r"decoder 'cuda' is for videos that FFmpeg decodes, which .* is not"
    ):
        open_source([str(tmp_path)], decoder="cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_NVDEC, reason="FFmpeg opens no NVIDIA GPU")
def test_a_gpu_decodes_the_same_frames(tmp_path):
    path = write_clip(tmp_path / "a.mp4", frames=20, size=(320, 192))
    with open_source([str(path)], decoder="cuda") as source:
        frames = list(source.frames(Selection()))
    for frame, expected in zip(frames, decode(path), strict=True):
        assert np.abs(frame.image.astype(int) - expected).mean() < 1


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_NVENC, reason="FFmpeg opens no NVIDIA GPU that encodes")
def test_a_gpu_encodes_what_plays(tmp_path):
    pictures = [picture(number, 320, 192) for number in range(20)]
    with VideoWriter(tmp_path / "a.mp4", rate=NTSC, time_base=1 / NTSC, encoder="nvenc") as writer:
        for number, image in enumerate(pictures):
            writer.write(image, number)
    for got, image in zip(decode(tmp_path / "a.mp4"), pictures, strict=True):
        assert np.abs(got.astype(int) - image).mean() < 3
