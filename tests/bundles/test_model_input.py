import pytest

from dinoflow_deploy.bundles.model_input import FRAMES, IMAGES, ModelInput, model_input_of


@pytest.mark.parametrize("form", [IMAGES, FRAMES])
def test_shapes_and_lengths_are_each_others_inverse(form: ModelInput) -> None:
    shape = form.shape(2, 64, 96)
    assert form.lengths(shape) == (2, 64, 96)
    assert form.flow_shape(shape) == (2, 2, 64, 96)
    assert form.holds(shape)
    assert not form.holds(shape[:3])
    assert not form.holds(("batch", 1, 64, 1))


def test_they_are_what_pytorch_and_cameras_have() -> None:
    assert (IMAGES.shape(1, 64, 96), IMAGES.dtype) == ((1, 3, 64, 96), "float32")
    assert (FRAMES.shape(1, 64, 96), FRAMES.dtype) == ((1, 64, 96, 3), "uint8")
    assert (str(IMAGES), str(FRAMES)) == ("[batch, 3, height, width]", "[batch, height, width, 3]")


@pytest.mark.parametrize(
    ("names", "form"),
    [
        (("image2", "image1"), IMAGES),
        (("frame1", "frame2"), FRAMES),
        (("frame1", "image2"), None),
        (("frame1",), None),
        ((), None),
    ],
)
def test_the_names_of_the_inputs_tell_the_form(names: tuple[str, ...], form: ModelInput | None) -> None:
    assert model_input_of(names) is form
