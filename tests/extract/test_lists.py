import pandas
import pyarrow.parquet
import pytest

from dinoflow_deploy.errors import FileFormatError, InputError, MissingPackageError
from dinoflow_deploy.extract.lists import read_list
from dinoflow_deploy.system import optional

PATHS = ["a.mp4", "with, comma.mp4", 'a "quoted" one.mp4', "näme.mp4"]


def test_text(tmp_path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\ufeff" + "\r\n".join([*PATHS, "", "  b.mp4  "]), encoding="utf-8")
    assert read_list(path) == [*PATHS, "b.mp4"]
    path.write_bytes(b"\xff.mp4\n")
    assert read_list(path) == ["\udcff.mp4"]


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_tables_of_another_library(tmp_path, suffix: str) -> None:
    table = pandas.DataFrame({"label": range(4), "path": PATHS})
    path = tmp_path / f"list.{suffix}"
    table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    assert read_list(path) == PATHS


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.csv", b"label,file\n1,a.mp4\n", "a.csv has no column 'path': it has 'label', 'file'"),
        ("a.csv", b"path,path\na.mp4,b.mp4\n", "a.csv has 2 columns 'path': keep the one of clips"),
        ("a.csv", b"x" * 300, r"a.csv has no column 'path': it has 'x{199} \.\.\.$"),
        ("a.csv", b"", "a.csv has no column 'path': it has none"),
        ("a.csv", b'path\n"a\n', "a.csv: it is no CSV: unexpected end of data"),
        ("a.parquet", b"PAR1", "a.parquet: it is no Parquet file, or damaged"),
        ("a.txt", b"\0\1\2", "a.txt: it is no list of paths: it holds '"),
    ],
)
def test_what_is_no_list_is_said(tmp_path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(FileFormatError, match=message):
        read_list(tmp_path / name)


def test_a_column_that_is_there_twice_is_refused_in_parquet_too(tmp_path) -> None:
    columns = [pyarrow.array(["a.mp4"]), pyarrow.array(["b.mp4"])]
    pyarrow.parquet.write_table(pyarrow.table(columns, names=["path", "path"]), tmp_path / "a.parquet")
    with pytest.raises(FileFormatError, match=r"a.parquet has 2 columns 'path'"):
        read_list(tmp_path / "a.parquet")


def test_columns_of_numbers_and_empty_lists(tmp_path) -> None:
    pandas.DataFrame({"path": [1, 2]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(FileFormatError, match=r"its column 'path' holds 1, which is no text"):
        read_list(tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("path\n")
    (tmp_path / "a.txt").write_text("\n")
    for name in ("a.csv", "a.txt"):
        with pytest.raises(InputError, match=r"names no clip: put a path on each line"):
            read_list(tmp_path / name)
    with pytest.raises(FileFormatError, match=r"b.txt: cannot be read: No such file"):
        read_list(tmp_path / "b.txt")


def test_without_pyarrow_parquet_says_what_brings_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(optional, "is_installed", lambda name: False)
    (tmp_path / "a.parquet").touch()
    with pytest.raises(MissingPackageError, match=r"reading a list in Parquet needs the package 'pyarrow'"):
        read_list(tmp_path / "a.parquet")
