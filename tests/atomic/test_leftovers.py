from dinoflow_deploy.atomic import atomic_file, atomic_folder, remove_leftovers


def test_what_a_killed_process_left_goes_and_nothing_else(tmp_path) -> None:
    for name in ("a.mkv", ".mine", ".partial", "x.partial.mkv", ".abcdefgh.partialx"):
        (tmp_path / name).write_text("mine")
    kept = set(tmp_path.iterdir())
    with (
        atomic_file(tmp_path / "b.mkv", overwrite=True) as file,
        atomic_folder(tmp_path / "c", overwrite=True) as folder,
        atomic_file(tmp_path / "no-suffix", overwrite=True) as plain,
    ):
        file.write_text("half")
        (folder / "half").write_text("half")
        plain.write_text("half")
        # As if they were killed now.
        left = set(tmp_path.iterdir()) - kept
        remove_leftovers(tmp_path)
        assert len(left) == 3
        assert set(tmp_path.iterdir()) == kept
        for path in (file, plain):
            path.write_text("whole")
        folder.mkdir()
    remove_leftovers(tmp_path / "nowhere")
    (tmp_path / "file").write_text("whole")
    remove_leftovers(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "whole"
