"""The profile of system calls: what it allows, read as an engine reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from pinnace_core.container import SECCOMP

_PROFILE: Final[dict[str, Any]] = json.loads(Path(SECCOMP).read_bytes())
_RULES: Final[list[dict[str, Any]]] = _PROFILE["syscalls"]
_ALLOW: Final = "SCMP_ACT_ALLOW"
_SET_ID: Final = 0o6000
_MAKES: Final = 0o100 | 0o20000000
_NAMESPACES: Final = (1 << 17, *(1 << bit for bit in range(25, 31)))
# https://docs.docker.com/engine/security/seccomp/ lists what docker's own profile refuses to a
# container without capabilities; the last three lines are refused besides.
_NEVER: Final = frozenset(
    {
        *("acct", "add_key", "bpf", "clock_settime", "clock_settime64", "clone3"),
        *("create_module", "delete_module", "finit_module", "get_kernel_syms", "get_mempolicy"),
        *("init_module", "ioperm", "iopl", "io_uring_enter", "io_uring_register", "io_uring_setup"),
        *("kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mbind", "mount"),
        *("move_pages", "nfsservctl", "open_by_handle_at", "perf_event_open", "pivot_root"),
        *("query_module", "quotactl", "reboot", "request_key", "set_mempolicy", "setns"),
        *("settimeofday", "stime", "swapon", "swapoff", "sysfs", "_sysctl", "umount", "umount2"),
        *("unshare", "uselib", "userfaultfd", "ustat", "vm86", "vm86old", "syslog", "chroot"),
        *("fanotify_init", "fsconfig", "fsmount", "fsopen", "fspick", "mount_setattr"),
        *("move_mount", "open_tree", "pidfd_getfd", "process_madvise", "quotactl_fd", "vhangup"),
        *("sethostname", "setdomainname", "migrate_pages", "set_mempolicy_home_node"),
        *("ptrace", "process_vm_readv", "process_vm_writev"),
        *("openat2", "fchmodat2", "socketcall"),
    }
)


def _allows(name: str, *arguments: int) -> bool:
    return any(
        rule["action"] == _ALLOW
        and name in rule["names"]
        and all(_fits(test, arguments) for test in rule.get("args", ()))
        for rule in _RULES
    )


def _fits(test: dict[str, Any], arguments: tuple[int, ...]) -> bool:
    given, value = int(arguments[test["index"]]), int(test["value"])
    return {
        "SCMP_CMP_MASKED_EQ": given & value == int(test.get("valueTwo", 0)),
        "SCMP_CMP_EQ": given == value,
        "SCMP_CMP_LT": given < value,
    }[test["op"]]


def test_it_is_well_formed() -> None:
    assert set(_PROFILE) == {"defaultAction", "archMap", "syscalls"}
    assert _PROFILE["defaultAction"] == "SCMP_ACT_ERRNO"
    known = {"comment", "names", "action", "args", "errnoRet"}
    assert all({"comment", "names", "action"} <= set(rule) <= known for rule in _RULES)
    assert all(rule["names"] == sorted(set(rule["names"])) for rule in _RULES if len(rule) == 3)
    assert {one["architecture"] for one in _PROFILE["archMap"]} == {
        "SCMP_ARCH_X86_64",
        "SCMP_ARCH_AARCH64",
    }


def test_a_call_with_arguments_is_not_allowed_without_them() -> None:
    plain = {n for r in _RULES if r["action"] == _ALLOW and "args" not in r for n in r["names"]}
    tested = {n for r in _RULES if "args" in r for n in r["names"]}

    assert not plain & tested
    assert not (plain | tested) & _NEVER


def test_what_is_said_to_be_missing_has_an_older_call_instead() -> None:
    (missing,) = (rule for rule in _RULES if rule["action"] != _ALLOW)

    assert missing["errnoRet"] == 38
    assert set(missing["names"]) == {"clone3", "openat2", "fchmodat2", "socketcall"}
    # Before what allows them: of `socket`, libseccomp makes `socketcall` by itself.
    assert _RULES[0] is missing


@pytest.mark.parametrize(
    ("name", "place"),
    [
        *((name, 1) for name in ("chmod", "fchmod", "creat", "mkdir", "mknod")),
        *((name, 2) for name in ("fchmodat", "mkdirat", "mknodat")),
    ],
)
@pytest.mark.parametrize("bits", [0o4000, 0o2000, 0o6000])
def test_no_set_id_bit_is_set(name: str, place: int, bits: int) -> None:
    before = (0,) * place

    assert _allows(name, *before, 0o1777)
    assert not _allows(name, *before, 0o755 | bits)
    assert not _allows(name, *before, 0o100755 | bits | 1 << 32)


@pytest.mark.parametrize(("name", "before"), [("open", (0,)), ("openat", (0, 0))])
def test_a_mode_counts_only_where_a_file_is_made(name: str, before: tuple[int, ...]) -> None:
    assert _allows(name, *before, 0, 0o6755)
    assert _allows(name, *before, _MAKES, 0o644)
    for flag in (0o100, 0o20000000):
        assert not _allows(name, *before, flag | 2, 0o4755)
        assert not _allows(name, *before, flag, 0o2755)


@pytest.mark.parametrize("flag", _NAMESPACES)
def test_no_namespace_is_made(flag: int) -> None:
    assert _allows("clone", 0x3D0F00)
    assert not _allows("clone", flag | 17)


@pytest.mark.parametrize("name", ["socket", "socketpair"])
def test_no_family_is_one_of_the_kernels_or_the_hypervisors(name: str) -> None:
    assert all(_allows(name, family) for family in (1, 2, 10, 16, 17))
    assert not any(_allows(name, family | high) for family in (38, 40) for high in (0, 1 << 32))


@pytest.mark.parametrize("domain", [0, 0xFFFFFFFF])
def test_addresses_stay_random(domain: int) -> None:
    assert _allows("personality", domain)
    assert not _allows("personality", 0x0040000)
