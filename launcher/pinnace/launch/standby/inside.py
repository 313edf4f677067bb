"""What runs in a standby container: the program that waits, and what sees to it that nothing else.

Whatever enters a container from outside has no parent there, which the kernel writes as 0; what it
leaves when it ends becomes a child of the first process. Both can be told by the kernel's own list.
What has ended and is not buried yet (Z) does not count: engines enter by a process that they leave.
https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pinnace.launch.standby import expected, places
from pinnace_images import contract

if TYPE_CHECKING:
    from pinnace_core.container import ContainerSpec

READY: Final = "pinnace: it waits"
"""Printed when it does."""
# The program's name may hold anything: what counts stands behind the last parenthesis.
_FIRST: Final = """\
__pinnace_first() {
    local at line fields least=
    __pinnace_found=
    for at in /proc/[0-9]*; do
        line=
        IFS= read -r -d '' line 2>/dev/null <"$at/stat"
        [[ $line && $at != /proc/1 && $at != "/proc/$$" ]] || continue
        fields=(${line##*) })
        [[ ${fields[0]} != [ZX] ]] || continue
        if [[ ${fields[1]} == 0 ]] && [[ ! $least || ${fields[19]} -lt $least ]]; then
            least=${fields[19]} __pinnace_found=${at#/proc/}
        fi
    done
}
"""
# It waits, passes signals on to what entered, and ends when that is long gone, or never came.
_WAIT: Final = f"""{_FIRST}
pause=30 seen= gone=0 end=$((SECONDS + $1))
pass() {{
    __pinnace_first
    if [[ $__pinnace_found ]]; then
        seen=1 pause=1
        kill -s "$1" "$__pinnace_found" 2>/dev/null
    elif [[ $1 != USR? ]]; then
        exit 0
    fi
}}
for name in HUP INT QUIT TERM USR1 USR2; do trap "pass $name" "$name"; done
echo '{READY}'
while :; do
    sleep "$pause" &
    wait $!
    kill $! 2>/dev/null
    __pinnace_first
    if [[ $__pinnace_found ]]; then
        seen=1 gone=0
    elif [[ $seen ]]; then
        ((++gone < 3)) || exit 0
    elif ((SECONDS >= end)); then
        exit 0
    fi
done
"""
# PLACE ... -- EXPECTED ... -- PROGRAM. Built-ins only.
UNTOUCHED: Final = """\
__pinnace_touched() {
    local at fields known=0
    for at in /proc/[0-9]*; do
        __pinnace_left=
        IFS= read -r -d '' __pinnace_left 2>/dev/null <"$at/stat"
        [[ $__pinnace_left && $at != /proc/1 && $at != "/proc/$$" ]] || continue
        fields=(${__pinnace_left##*) })
        [[ ${fields[0]} != [ZX] ]] || continue
        [[ ${fields[1]} != 0 ]] || return 0
        [[ ${fields[1]} != 1 ]] || ((++known == 1)) || return 0
    done
    local -A places expected
    while [[ $1 != -- ]]; do places[$1]=1; shift; done; shift
    while [[ $1 != -- ]]; do expected[$1]=1; shift; done
    shopt -s dotglob nullglob
    for at in "${!places[@]}"; do
        for __pinnace_left in "$at"/*; do
            [[ ${expected[$__pinnace_left]} || ${places[$__pinnace_left]} ]] || return 0
        done
    done
    return 1
}
if __pinnace_touched "$@"; then
    printf 'pinnace: error: somebody was in the standby container of this launch: %q\\n' \
        "${__pinnace_left:0:60}" >&2
    printf '%s\\n' "pinnace: hint: run it again; it is gone" >&2
    exit 75
fi
while [[ $1 != -- ]]; do shift; done; shift
while [[ $1 != -- ]]; do shift; done; shift
unset -f __pinnace_touched
exec "$@"
"""
# PROGRAM. Its terminal is its own.
_AS_ENTERED: Final = f"""{_FIRST}
__pinnace_first
while IFS= read -r -d '' __pinnace_line; do
    case $__pinnace_line in
    TERM=* | COLORTERM=*) ;;
    [A-Za-z_]*=*) export "$__pinnace_line" ;;
    esac
done 2>/dev/null <"/proc/$__pinnace_found/environ"
unset -f __pinnace_first
exec "$@"
"""


def waiting(seconds: int) -> tuple[str, ...]:
    """Return the program that waits.

    Args:
        seconds: for how long, at most, if nobody comes.
    """
    return (contract.SHELL, "-c", _WAIT, "pinnace", str(seconds))


def untouched(spec: ContainerSpec) -> tuple[str, ...]:
    """Return a program that sees that nobody was there, and then runs what follows it.

    Args:
        spec: of the launch.
    """
    known = (*places(spec), "--", *expected(spec), "--")
    return (contract.SHELL, "-c", UNTOUCHED, "pinnace", *known)


def as_entered() -> tuple[str, ...]:
    """Return a program that runs what follows it with the variables of what entered first."""
    return (contract.SHELL, "-c", _AS_ENTERED, "pinnace")
