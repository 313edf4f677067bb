"""Try system calls, past any library: run inside, by the image's own Python; prints JSON.

`attempts` are those that matter, each by itself; `refused` tries every number there is.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import mmap
import os
import platform
import select
import signal
import sys
from typing import Final

_X86: Final = platform.machine() == "x86_64"
# Of x86_64 and of aarch64, which lacks some.
_NUMBERS: Final = {
    "openat": (257, 56),
    "fchmodat": (268, 53),
    "fchmod": (91, 52),
    "mkdirat": (258, 34),
    "mknodat": (259, 33),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "clone": (56, 220),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "ptrace": (101, 117),
    "kcmp": (312, 272),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "socket": (41, 198),
    "unshare": (272, 97),
    "mount": (165, 40),
    "socketpair": (53, 199),
    "bpf": (321, 280),
    "open": (2, -1),
    "creat": (85, -1),
    "chmod": (90, -1),
    "mkdir": (83, -1),
    "mknod": (133, -1),
    "setns": (308, 268),
    "perf_event_open": (298, 241),
    "clone3": (435, 435),
    "openat2": (437, 437),
    "pidfd_getfd": (438, 438),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "fchmodat2": (452, 452),
    "io_uring_register": (427, 427),
}
_LIBRARY: Final = ctypes.CDLL(None, use_errno=True)
_HERE: Final = -100
_O_CREAT: Final = 0o101
_O_TMPFILE: Final = 0o20200002 if _X86 else 0o20040002
_IFREG: Final = 0o100000
_NEWUSER: Final = 0x10000000
_FAMILIES: Final = {"inet": 2, "alg": 38, "vsock": 40}
_HIDDEN: Final = 1 << 32
"""Of a number of 32 bits, nothing: the kernel does not look there."""
# Its program: mov eax,edi; mov ebx,esi; mov ecx,edx; mov edx,ecx; int 0x80; ret.
_INT_80: Final = bytes.fromhex("5389f889f34189c989d14489cacd805bc3")
_LAST: Final = 470


def call(name: str, *arguments: int | bytes) -> str:
    """Return what becomes of a call: `ok`, or an error's name."""
    return _number(_NUMBERS[name][0 if _X86 else 1], *arguments)


def _number(number: int, *arguments: int | bytes) -> str:
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    ctypes.set_errno(0)
    if _LIBRARY.syscall(ctypes.c_long(number), *words) >= 0:
        return "ok"
    return errno.errorcode.get(ctypes.get_errno(), "?")


def attempts() -> dict[str, str]:
    """Try what matters."""
    os.close(os.open("/tmp/f", os.O_CREAT, 0o600))  # noqa: S108 (inside)
    return {**_files(), **(_old_files() if _X86 else {}), **_rest(), **(_compat() if _X86 else {})}


def _files() -> dict[str, str]:
    """Try all that takes a mode, with each of the bits; and without them."""
    held = os.open("/tmp/f", os.O_RDONLY)  # noqa: S108 (inside)
    said = {}
    for mode in (0o4755, 0o2755, 0o755):
        label = f" {mode:o}"
        fresh = b"/tmp/%o-" % mode
        said["fchmod" + label] = call("fchmod", held, mode)
        said["fchmodat" + label] = call("fchmodat", _HERE, b"/tmp/f", mode)
        said["fchmodat2" + label] = call("fchmodat2", _HERE, b"/tmp/f", mode, 0)
        said["openat" + label] = call("openat", _HERE, fresh + b"a", _O_CREAT, mode)
        said["tmpfile" + label] = call("openat", _HERE, b"/tmp", _O_TMPFILE, mode)
        said["mkdirat" + label] = call("mkdirat", _HERE, fresh + b"b", mode)
        said["mknodat" + label] = call("mknodat", _HERE, fresh + b"c", _IFREG | mode, 0)
    said["openat of what is there"] = call("openat", _HERE, b"/tmp/f", 0, 0o6755)
    said["openat2"] = call("openat2", _HERE, b"/tmp/f", 0, 0)
    return said


def _old_files() -> dict[str, str]:
    said = {}
    for mode in (0o4755, 0o2755, 0o755):
        label = f" {mode:o}"
        fresh = b"/tmp/%o-" % mode
        said["chmod" + label] = call("chmod", b"/tmp/f", mode)
        said["open" + label] = call("open", fresh + b"d", _O_CREAT, mode)
        said["creat" + label] = call("creat", fresh + b"e", mode)
        said["mkdir" + label] = call("mkdir", fresh + b"g", mode)
        said["mknod" + label] = call("mknod", fresh + b"h", _IFREG | mode, 0)
    said["open of what is there"] = call("open", b"/tmp/f", 0, 0o6755)
    return said


def _rest() -> dict[str, str]:
    plain = ("userfaultfd", "keyctl", "add_key", "request_key", "ptrace", "kcmp", "mount", "setns")
    more = ("process_vm_readv", "process_vm_writev", "pidfd_getfd", "bpf", "perf_event_open")
    rings = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3")
    said = {name: call(name, 0, 0, 0, 0, 0) for name in (*plain, *more, *rings)}
    said["unshare"] = call("unshare", _NEWUSER)
    said["clone"] = call("clone", _NEWUSER | signal.SIGCHLD, 0, 0, 0, 0)
    for name, family in _FAMILIES.items():
        kind = 5 if name == "alg" else 1
        said[f"socket {name}"] = call("socket", family, kind, 0)
        said[f"socket {name}, hidden"] = call("socket", family | _HIDDEN, kind, 0)
        said[f"socketpair {name}"] = call("socketpair", family, kind, 0, bytes(8))
    return said


def _compat() -> dict[str, str]:
    """Try what a program of 32 bits can."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(_INT_80)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_uint] * 4)
    enter = kind(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    place = _low_memory()

    def attempt(number: int, *words: int) -> str:
        result = enter(number, *words, *[0] * (3 - len(words)))
        return "ok" if result >= 0 else errno.errorcode[-result]

    ctypes.memmove(place, b"/tmp/f\0", 7)
    said = {f"i386 chmod {mode:o}": attempt(15, place, mode) for mode in (0o4755, 0o2755, 0o755)}
    for name, family in _FAMILIES.items():
        said[f"i386 socket {name}"] = attempt(359, family, 1, 0)
        ctypes.memmove(place, (ctypes.c_uint * 3)(family, 1, 0), 12)
        said[f"i386 socketcall {name}"] = attempt(102, 1, place)
    return said


def _low_memory() -> int:
    """Return a place that an address of 32 bits reaches."""
    take = _LIBRARY.mmap
    take.restype = ctypes.c_void_p
    take.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    low, private_anonymous = 0x40, 0x22
    found = take(None, mmap.PAGESIZE, 3, private_anonymous | low, -1, 0)
    assert isinstance(found, int)
    return found


def refused() -> list[int]:
    """Return the numbers that are not permitted, or said to be missing."""
    return [n for n in range(_LAST) if all(_is_refused(n, word) for word in (0, -1))]


def _is_refused(number: int, word: int) -> bool:
    """Try one in a process of its own: it may never return, or end it."""
    out, into = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.write(into, _number(number, *[word] * 6).encode())
        os._exit(0)
    os.close(into)
    ready, _, _ = select.select([out], [], [], 1)
    said = os.read(out, 9) if ready else b""
    os.close(out)
    for kill in (os.kill, os.killpg):
        # It may be gone already, or never have had a group.
        with contextlib.suppress(OSError):
            kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return said in {b"EPERM", b"ENOSYS"}


if __name__ == "__main__":
    json.dump({"attempts": attempts, "refused": refused}[sys.argv[1]](), sys.stdout)
