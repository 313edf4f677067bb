"""What was looked at is what is mounted: the words for a check inside."""

from __future__ import annotations

import pytest

from pinnace.plan import held
from pinnace_core.container import Mount
from pinnace_core.engine.facts import EngineFacts
from tests.support import hosts

_TABLE = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /proc rw - proc proc rw
30 22 8:2 /@home /home rw - btrfs /dev/sdb rw
31 30 8:3 /old /home/me/disk rw - ext4 /dev/sdc rw
32 30 8:4 /new /home/me/disk rw - ext4 /dev/sdd rw
33 22 8:5 / /mnt/with\\040space rw - ext4 /dev/sde rw
short line
"""


def _words(*mounts: Mount, table: str = _TABLE) -> list[str]:
    inputs = hosts.inputs(hosts.linux())._replace(mount_table=table)
    words = held.wrapper(inputs, mounts, ["/home/me/.local/state/pinnace"])
    return list(words[5:-1])


@pytest.mark.parametrize(
    ("source", "root"),
    [
        ("/srv/x", "/srv/x"),
        ("/home/me", "/@home/me"),
        ("/home/mean", "/@home/mean"),
        ("/home/me/disk", "/new"),
        ("/home/me/disk/a b", "/new/a\\040b"),
        ("/mnt/with space", "/"),
        ("/mnt/with space/x", "/x"),
        ("/srv/a#b\\c", "/srv/a\\043b\\134c"),
    ],
)
def test_each_mount_has_its_place_in_its_file_system(source: str, root: str) -> None:
    assert _words(Mount(source, "/w")) == ["/w", root]


def test_volumes_and_what_nobody_can_replace_are_left_out() -> None:
    state = Mount("/home/me/.local/state/pinnace/users/x", "/etc/passwd")
    assert _words(Mount("pinnace-x", "/w", volume=True), state) == []
    assert _words(Mount("/srv/x", "/a b"), state) == ["/a\\040b", "/srv/x"]


def test_without_a_list_there_is_no_check() -> None:
    inputs = hosts.inputs(hosts.linux())
    assert held.wrapper(inputs, [Mount("/srv/x", "/w")], []) == ()


def test_other_kernels_have_another_list() -> None:
    own = EngineFacts()
    assert held.read(hosts.macos(), own, "") == ""
    assert held.read(hosts.linux(), own._replace(desktop="Docker Desktop"), "") == ""
    assert held.read(hosts.linux(), own, "runsc") == ""
    assert " / " in held.read(hosts.linux(), own, "")
