"""Where a command was called: the host, the project, its settings and pin, the engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pinnace.config import load, pinned, project_lock
from pinnace.config import pin as pins
from pinnace.config import project as workspace
from pinnace.image import images, selection
from pinnace_core import console
from pinnace_core import engine as engines
from pinnace_images.platforms import Platform

if TYPE_CHECKING:
    from pinnace.config import Config
    from pinnace.config.pin import Pin
    from pinnace.config.project import Workspace
    from pinnace.image.images import LocalImage, Wanted
    from pinnace.image.outlook import Outlook
    from pinnace.request import RunRequest
    from pinnace_core.engine import Engine
    from pinnace_core.engine.facts import EngineFacts
    from pinnace_core.host import HostFacts
    from pinnace_images.lock import Lock
    from pinnace_images.versions import CliVersion


class Context(NamedTuple):
    """All that verbs go by; nothing in it was asked of the engine.

    Attributes:
        request: what was asked for.
        facts: the host.
        project: the workspace.
        engine: which is used.
        config: settings, each with its source, and what waits for approval.
        locked: the project's own lock, if it has one.
    """

    request: RunRequest
    facts: HostFacts
    project: Workspace
    engine: Engine
    config: Config
    locked: Lock | None

    @property
    def may_provision(self) -> bool:
        """Whether what is missing may be asked for, pulled or built."""
        return self.config.settings.provision and not self.request.dry_run

    def say_pending(self) -> None:
        """Tell the user what does not count, because it is not approved."""
        if self.config.pending:
            notes = "; ".join(one.note for one in self.config.pending)
            console.stderr(f"pinnace: {notes}; see them: pinnace trust")

    def pin(self) -> Pin | None:
        """Return the pin, if there is one.

        Raises:
            BadPinError: it is not a version.
        """
        return pins.find(self.facts, flag=self.request.claude_version, files=self.config.files)

    def version(self) -> CliVersion:
        """Decide the version: the pin's, or the lock's newest, which is said.

        Raises:
            BadPinError: the pin is not a version, or none is published that fits.
        """
        pin = self.pin()
        if pin is not None:
            return pinned.resolved(pin, provision=self.may_provision, project=self.locked)
        version = pinned.default_version()
        console.stderr(
            f"pinnace: no pin here: taking {version}, the newest that is locked; "
            f"to keep it: pinnace pin {version}"
        )
        return version

    def wanted(self) -> Wanted:
        """Return what a launch looks for among the images.

        Raises:
            BadPinError: of `version`.
        """
        return self.wanted_as(self.version())

    def wanted_as(self, version: CliVersion) -> Wanted:
        """Return what a launch of a version looks for."""
        platform = str(Platform.of_machine(self.facts.machine))
        return images.Wanted(version, self.config.settings.variant, platform)

    def outlook(self, version: CliVersion) -> Outlook:
        """Return which image a launch of a version would take, or how it would get it.

        Raises:
            PinnaceError: of `outlook.look`.
        """
        from pinnace.image import outlook

        return outlook.look(
            self.engine,
            self.wanted_as(version),
            self.config.settings,
            project=Path(self.project.source),
        )

    def suitable(self) -> EngineFacts:
        """Return what kind of engine it is, if it can mount this machine's directories.

        Raises:
            EngineUnsuitableError: it cannot.
            EngineUnavailableError: no answer, or none that makes sense.
        """
        # Before it is asked: whoever it belongs to need not learn of this.
        engines.require_local(self.engine)
        about = self.engine.facts()
        engines.require_suitable(self.engine, about)
        return about

    def image(self, wanted: Wanted) -> LocalImage:
        """Return the image that a launch runs, verified; get it if it is missing.

        Raises:
            PinnaceError: there is none, or it is not what it claims to be.
        """
        return selection.chosen_image(
            self.engine,
            wanted,
            self.config.settings,
            project=Path(self.project.source),
            provision=self.may_provision,
        )


def survey(request: RunRequest, facts: HostFacts) -> Context:
    """Look around: project, settings from all their sources, engine.

    Raises:
        UnsafeRequestError: the directory cannot be a workspace.
        BadSettingsError: a settings file or variable is not what it should be.
        EngineUnavailableError: the engine's context does not exist.
    """
    project = workspace.locate(facts)
    config = load.load(facts, request.flags)
    return Context(
        request=request,
        facts=facts,
        project=project,
        engine=engines.detect(facts, config.settings.engine),
        config=config,
        locked=project_lock.load(Path(project.source)),
    )
