import os
import stat
from multiprocessing import get_context
from pathlib import Path

import pytest

from memory_r1.memory.durable import sync_folder, write_whole


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("private", [False, True])
def test_the_new_content_stands_in_the_old_one_s_place_and_nothing_beside_it(tmp_path: Path, private: bool) -> None:
    path = tmp_path / "file"
    for content in (b"old and longer", b"new", b""):
        write_whole(path, content, private=private)
        assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def test_a_private_file_is_its_owner_s_alone_another_is_as_the_umask_says(tmp_path: Path) -> None:
    write_whole(tmp_path / "private", b"", private=True)
    write_whole(tmp_path / "plain", b"")
    (tmp_path / "made").touch()
    assert mode(tmp_path / "private") == 0o600
    assert mode(tmp_path / "plain") == mode(tmp_path / "made")


@pytest.mark.parametrize("private", [False, True])
def test_what_can_t_be_put_in_place_leaves_all_as_it_was(tmp_path: Path, private: bool) -> None:
    folder = tmp_path / "folder"
    (folder / "file").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        write_whole(folder / "file", b"new", private=private)
    assert list(folder.iterdir()) == [folder / "file"]
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "none" / "file", b"new", private=private)


def write_often(path: str, letter: bytes) -> None:
    for _ in range(50):
        write_whole(Path(path), letter * 100_000, private=True)


def test_several_write_a_private_file_at_once_and_no_content_is_mixed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"a" * 100_000, private=True)
    context = get_context("spawn")
    writers = [context.Process(target=write_often, args=(str(path), letter)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert len(set(content := path.read_bytes())) == 1 and len(content) == 100_000
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        with pytest.raises(FileNotFoundError):
            sync_folder(tmp_path / "none")
