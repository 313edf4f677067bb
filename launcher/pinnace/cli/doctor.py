"""`pinnace doctor`."""

from __future__ import annotations

from pinnace import doctor
from pinnace.cli import group
from pinnace_core import output
from pinnace_core.host import HostFacts


@group.cli.command("doctor")
@output.json_option
def doctor_command(*, as_json: bool) -> int:
    """Check what a launch needs.

    Exit code 0 if nothing fails, else that of the first failure.
    """
    checks = doctor.examine(HostFacts.detect())
    problem = doctor.first_problem(checks)
    if as_json:
        return output.print_result(doctor.as_json(checks), problem)
    for check in checks:
        output.say(f"{check.status:<5} {check.name:<12} {check.found}")
        if check.fix and check.status != "ok":
            output.say(f"{'':<18} {check.fix}")
    return problem.exit_code if problem else 0
