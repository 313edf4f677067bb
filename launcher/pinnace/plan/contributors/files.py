"""Files of one launch: what is too long for an argument lies there as long as it runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pinnace.plan import Contribution
from pinnace.plan.contributors import private_places
from pinnace.plan.contributors.secrets import kept_private, owner_of_files
from pinnace.plan.resources import Resource
from pinnace.request import FILES_INSIDE
from pinnace_core.container import Mount

if TYPE_CHECKING:
    from pinnace.plan import Inputs


def contribute(inputs: Inputs) -> Contribution:
    """Mount a directory that holds them, and nothing else."""
    directory = private_places(inputs.facts)[0] / os.urandom(8).hex()
    held = Resource(
        lambda _: kept_private(directory, inputs.files, owner_of_files(inputs)),
        lambda: f"write {', '.join(inputs.files)} to '{directory}', as long as it runs",
        alone="it has files of one launch",
    )
    mount = Mount(str(directory), FILES_INSIDE, read_only=True)
    return Contribution(mounts=(mount,), resources=(held,))
