"""One reader for both kinds of file. Its use on manifests and recipes is tested where they are read."""

import json
import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import pytest

from dinoflow_deploy.errors import DinoFlowError, FileFormatError, InputError
from dinoflow_deploy.system.dataclass_reader import BESIDE, READ_BY, check_fields, from_json, from_toml


@dataclass(frozen=True, slots=True)
class Axis:
    least: int
    most: int | None = None

    def __post_init__(self) -> None:
        if self.most is not None and self.least > self.most:
            raise InputError(f"least {self.least} is above most {self.most}")


@dataclass(frozen=True, slots=True)
class Lens:
    focal: float = 1.0
    sharp: bool = True


def lens_of(table: dict[str, Any]) -> Lens:
    if table.keys() != {"name"}:
        raise InputError("a lens has a name")
    return Lens(focal=float(table["name"].removesuffix("mm")))


@dataclass(frozen=True, slots=True)
class Scene:
    name: str
    axes: tuple[Axis, ...] = ()
    size: tuple[float, float] = (0.0, 1.0)
    kind: Literal["still", "moving"] = "still"
    notes: dict[str, str] = field(default_factory=dict)
    anything: Any = None
    lens: Lens = field(default=Lens(), metadata={BESIDE: True})
    spare: Lens | None = field(default=None, metadata={READ_BY: lens_of})


FULL = Scene("a", (Axis(1, 2), Axis(3)), (0.5, 2.0), "moving", {"x": "y"}, [1], Lens(35.0, sharp=False))


def test_what_a_json_file_holds_is_what_was_written() -> None:
    values = json.loads(json.dumps(asdict(FULL)))
    del values["spare"]
    assert from_json(Scene, values) == FULL


def test_a_table_of_a_person_and_one_of_a_program_are_read_alike() -> None:
    text = """
        name = "a"
        axes = [{ least = 1, most = 2 }, { least = 3 }]
        size = [0.5, 2]
        kind = "moving"
        notes = { x = "y" }
        anything = [1]
        focal = 35
        sharp = false
    """
    assert from_toml(Scene, tomllib.loads(text), "the scene") == FULL
    nested = asdict(FULL)
    del nested["spare"]
    assert from_toml(Scene, nested, "the scene") == FULL
    assert from_toml(Scene, nested | {"focal": 50}, "the scene").lens == Lens(50, sharp=False)


def test_defaults_stand_for_what_is_left_out() -> None:
    for read in (from_json(Scene, {"name": "b"}), from_toml(Scene, {"name": "b"}, "the scene")):
        assert read == Scene("b")


def test_a_field_with_a_reader_of_its_own() -> None:
    assert from_toml(Scene, {"name": "b", "spare": {"name": "50mm"}}, "the scene").spare == Lens(50.0)
    assert from_json(Scene, {"name": "b", "spare": {"name": "50mm"}}).spare == Lens(50.0)


MISTAKES: list[tuple[dict[str, Any], str, str]] = [
    ({"name": 3}, "'name' must be a string, not 3", "the scene: name is 3: it must be text in quotes"),
    ({"axes": 3}, "'axes' must be a list, not 3", "axes must be tables that begin with [[axes]], not 3"),
    ({"axes": [3]}, "'axes[0]' must be an object, not 3", "axes[0] must be a table, not 3"),
    (
        {"axes": [{"least": True}]},
        "'axes[0].least' must be a whole number, not True",
        "axes[0]: least is True: it must be a whole number",
    ),
    (
        {"axes": [{"least": 1}, {"least": 1.0}]},
        "'axes[1].least' must be a whole number, not 1.0",
        "axes[1]: least is 1.0: it must be a whole number",
    ),
    ({"axes": [{"most": 1}]}, "the key 'axes[0].least' is missing", "axes[0] lacks least"),
    (
        {"axes": [{"least": 2, "most": 1}]},
        "'axes[0]': least 2 is above most 1",
        "axes[0]: least 2 is above most 1",
    ),
    ({"size": [1]}, "'size' needs 2 values, not 1", "the scene: size is [1]: it must be 2 values"),
    (
        {"notes": {"x": None}},
        "'notes.x' must be a string, not None",
        "notes: x is None: it must be text in quotes",
    ),
    ({"notes": 1}, "'notes' must be an object, not 1", "notes must be a table, not 1"),
    (
        {"sharp": 1},
        "'sharp' must be true or false, not 1",
        "the scene: sharp is 1: it must be true or false",
    ),
    ({"lens": 1}, "must be an object, not 1", "the scene must be a table, not 1"),
    ({"spare": 1}, "'spare' must be an object, not 1", "spare must be a table, not 1"),
    ({"spare": {}}, "a lens has a name", "a lens has a name"),
]


@pytest.mark.parametrize(("change", "by_json", "by_toml"), MISTAKES, ids=[each[2] for each in MISTAKES])
def test_a_mistake_is_told_in_the_words_of_its_file(
    change: dict[str, Any], by_json: str, by_toml: str
) -> None:
    values = {"name": "a"} | change
    for error, message, read in (
        (FileFormatError, by_json, lambda: from_json(Scene, values)),
        (InputError, by_toml, lambda: from_toml(Scene, values, "the scene")),
    ):
        with pytest.raises(error) as caught:
            read()
        assert message in str(caught.value)


@pytest.mark.parametrize(
    ("values", "by_toml"),
    [
        ({"name": "a", "axis": []}, "the scene has unknown keys axis: known are focal, sharp"),
        (
            {"name": "a", "axes": [{"least": 1, "z": 1, "b": 2}]},
            r"axes\[0\] has unknown keys b, z: known are least",
        ),
        ({"name": "a", "focal": float("nan")}, "the scene: focal is nan: it must be finite"),
        ({"name": "a", "size": [0, float("-inf")]}, r"size\[1\] is -inf: it must be finite"),
    ],
)
def test_what_a_person_mistypes_is_passed_by_json(values: dict[str, Any], by_toml: str) -> None:
    assert from_json(Scene, values).name == "a"
    with pytest.raises(InputError, match=by_toml):
        from_toml(Scene, values, "the scene")


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: from_json(Scene, []), "must be an object"),
        (lambda: from_toml(Scene, [], "the scene"), "the scene must be a table"),
        (lambda: from_json(Axis, {"least": 2, "most": 1}, "axis"), "^'axis': least 2 is above"),
        (lambda: from_json(Axis, {"least": 2, "most": 1}), "^least 2 is above"),
        (lambda: from_toml(Axis, {"least": 2, "most": 1}, "the axis"), "^least 2 is above"),
        (lambda: from_toml(Axis, {}, "the axis"), "^the axis lacks least$"),
        (lambda: check_fields(Lens, {"foc": 1}, "lens", ("preset",)), "foc: known are preset, focal, sharp"),
        (lambda: check_fields(Lens, {"focal": "x"}, "lens"), "lens: focal is 'x': it must be a number"),
    ],
)
def test_mistakes_of_the_whole(read: Callable[[], object], message: str) -> None:
    with pytest.raises(DinoFlowError, match=message):
        read()


def test_fields_to_replace_may_be_some_of_them() -> None:
    check_fields(Lens, {"sharp": False}, "lens")
    # Whether it is in range the dataclass says, in its own words.
    check_fields(Lens, {"focal": float("nan")}, "lens")
