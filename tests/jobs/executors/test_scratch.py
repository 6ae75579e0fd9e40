"""Folders of executors: those of the killed are removed, and those of the living are not."""

from __future__ import annotations

from harness.jobs.executors.scratch import Scratch


def test_folders_of_the_killed_are_removed_and_of_the_living_are_not(tmp_path):
    living, killed = Scratch(tmp_path, "x-"), Scratch(tmp_path, "x-")
    killed._file.close()  # what the system does when a process dies
    other = Scratch(tmp_path, "x-")
    assert living.folder.is_dir()
    assert not killed.folder.exists()
    living.close()
    other.close(keep=True)
    assert [path.name for path in tmp_path.iterdir()] == [other.folder.name]
    Scratch(tmp_path, "x-").close()
    assert other.folder.is_dir()  # kept for whoever reads its logs
