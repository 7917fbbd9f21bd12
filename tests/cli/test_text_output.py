import os
import subprocess
from pathlib import Path

import pytest

from dinoflow_deploy.cli.text_output import TextOutput, write_texts
from dinoflow_deploy.errors import InputError, OutputElsewhereError


def test_what_is_known_so_far_is_replaced_by_what_is_known_at_the_end(tmp_path: Path) -> None:
    output = TextOutput(tmp_path / "out.json", overwrite=False)
    for text in ("first", "second"):
        output.save(text)
        assert (tmp_path / "out.json").read_text() == text
    output.write("last")
    assert (tmp_path / "out.json").read_text() == "last"


@pytest.mark.parametrize("saved", [0, 1, 2])
def test_another_run_s_file_is_never_replaced_and_nothing_is_lost(tmp_path: Path, saved: int, capsys) -> None:
    path = tmp_path / "out.json"
    output = TextOutput(path, overwrite=False)
    for _ in range(saved):
        output.save("mine")
    path.unlink(missing_ok=True)
    path.write_text("theirs")
    output.save("more of mine")
    assert "warning: " in capsys.readouterr().err
    assert output.path == tmp_path / "out-2.json"
    with pytest.raises(OutputElsewhereError, match=r"out\.json was made by something else.*out-2\.json"):
        output.write("all of mine")
    assert path.read_text() == "theirs"
    assert output.path.read_text() == "all of mine"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["out-2.json", "out.json"]


def test_one_that_cannot_be_written_does_not_keep_the_others_from_it(tmp_path: Path) -> None:
    outputs = [TextOutput(tmp_path / name, overwrite=False) for name in ("a", "b", "c")]
    for name in ("a", "c"):
        (tmp_path / name).write_text("theirs")
    with pytest.raises(InputError, match=r"a was made by .*a-2; .*c was made by .*c-2"):
        write_texts([(output, "mine") for output in outputs])
    assert [(tmp_path / name).read_text() for name in ("a-2", "b", "c-2")] == ["mine"] * 3


def test_only_the_final_text_goes_to_a_pipe(tmp_path: Path, capsys) -> None:

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    output = TextOutput(pipe, overwrite=False)
    output.save("nobody reads this")
    with subprocess.Popen(["cat", pipe], stdout=subprocess.PIPE) as reader:
        output.write("final")
        assert reader.communicate()[0] == b"final"
    assert f"{pipe} is a pipe: waiting until something reads it" in capsys.readouterr().err


def test_names_that_are_no_text_are_written_escaped(tmp_path: Path) -> None:
    TextOutput(tmp_path / "table.md", overwrite=False).write("in\udcff.mp4 \u00fc")
    assert (tmp_path / "table.md").read_text(encoding="utf-8") == "in\\udcff.mp4 \u00fc"
