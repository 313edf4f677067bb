"""One class per cause, each with its exit code (sysexits) and a hint that says how to mend it.

The table in docs/exit-codes.md is generated from these classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


IN_HINT: Final = "perhaps you meant {}; "
IN_MESSAGE: Final = ", perhaps you meant '{}'"
# In a hint, which nobody asked for, a guess has to be closer.
_CLOSE: Final = {IN_HINT: 0.75, IN_MESSAGE: 0.6}
_LEAST_BEGUN: Final = 4
_LONGEST: Final = 40


class PinnaceError(Exception):
    """Base of every error that reaches a user.

    Args:
        message: what is wrong, one sentence, no secrets.
        hint: what to do about it, imperative.
    """

    exit_code: ClassVar[int] = 70

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(PinnaceError):
    """The command line cannot be understood."""

    exit_code = 64


class AmbiguousNameError(PinnaceError):
    """A name fits more than one launch."""

    exit_code = 64


class ConflictError(PinnaceError):
    """Something of a layer was not taken over, because it may not be, or was changed here, too."""

    exit_code = 65


class TooManyChangesError(PinnaceError):
    """A layer changes more than anybody could look through."""

    exit_code = 65


class BadPinError(PinnaceError):
    """A pin is not a version, or names one that does not exist."""

    exit_code = 65


class BadLockError(PinnaceError):
    """The lock cannot be read, or does not hold what is asked of it."""

    exit_code = 65


class BadClaudeConfigError(PinnaceError):
    """A file in the config directory is not what Claude writes there."""

    exit_code = 65


class BadTranscriptError(PinnaceError):
    """A session's transcript is not what Claude writes."""

    exit_code = 65


class SessionApartError(PinnaceError):
    """A session has gone on both here and elsewhere: neither is the other's continuation."""

    exit_code = 65


class BadPromptError(PinnaceError):
    """A prompt file, or the data for it, is not what it should be."""

    exit_code = 65


class BadAnswerError(PinnaceError):
    """What Claude printed does not fit the schema of the prompt file."""

    exit_code = 65


class BadSettingsError(PinnaceError):
    """A settings file or variable is not what it should be."""

    exit_code = 78


class BadSecretsError(PinnaceError):
    """A file of secrets, or of certificates, cannot be understood."""

    exit_code = 65


class BadImagesError(PinnaceError):
    """A declaration of images (images.toml) cannot be read."""

    exit_code = 78


class BadProjectImageError(PinnaceError):
    """What a project wants of its image (packages, Dockerfile, name) cannot be used."""

    exit_code = 78


class CheckFailedError(PinnaceError):
    """What is committed does not agree with itself."""

    exit_code = 65


class UnknownVersionError(PinnaceError):
    """No published CLI version fits."""

    exit_code = 65


class TooNewError(UnknownVersionError):
    """A published CLI version is newer than your npm settings allow."""


class ImageMissingError(PinnaceError):
    """No local image fits, or it went away."""

    exit_code = 66


class LaunchMissingError(PinnaceError):
    """No running launch fits."""

    exit_code = 66


class LaunchLostError(PinnaceError):
    """How a detached launch ended is not known: whoever kept it was killed."""

    exit_code = 70


class EntryMissingError(PinnaceError):
    """No launch in the audit record fits."""

    exit_code = 66


class SessionMissingError(PinnaceError):
    """No session fits, or its transcript has gone."""

    exit_code = 66


class LayerMissingError(PinnaceError):
    """No layer or clone fits, or what it needs is gone."""

    exit_code = 66


class WorktreeMissingError(PinnaceError):
    """No branch of this name has a worktree of Pinnace's."""

    exit_code = 66


class ShimMissingError(PinnaceError):
    """No drop-in `claude` is where one was looked for."""

    exit_code = 66


class CannotReadError(PinnaceError):
    """A file that was named is not there, or cannot be read."""

    exit_code = 66


class BaseMissingError(PinnaceError):
    """The base image can be neither pulled nor bootstrapped."""

    exit_code = 66


class AgentUnavailableError(PinnaceError):
    """The ssh agent cannot be forwarded."""

    exit_code = 69


class AgentSdkError(PinnaceError):
    """The official Agent SDK is not installed, or is not one that Pinnace knows."""

    exit_code = 69


class ClientMissingError(PinnaceError):
    """A program that Pinnace drives (docker, npm) is not installed."""

    exit_code = 69


class EngineUnavailableError(PinnaceError):
    """The container engine does not answer, or refuses."""

    exit_code = 69


class EngineUnsuitableError(PinnaceError):
    """The container engine lacks something: this machine's directories, this user, a runtime."""

    exit_code = 69


class GatewayFailedError(PinnaceError):
    """The gateway, which is Claude's only way out, does not run."""

    exit_code = 69


class KeyHelperError(PinnaceError):
    """The user's program that gives a key gave none."""

    exit_code = 69


class PortTakenError(PinnaceError):
    """A port of this machine cannot be opened."""

    exit_code = 69


class BuildFailedError(PinnaceError):
    """The engine could not build an image."""

    exit_code = 70


class CloneFailedError(PinnaceError):
    """A project could not be cloned, or what was committed in a clone could not be taken over."""

    exit_code = 70


class WorktreeFailedError(PinnaceError):
    """Git could not make or remove a branch's worktree, or what is there is none of that branch."""

    exit_code = 70


class SigningFailedError(PinnaceError):
    """An image could not be signed."""

    exit_code = 70


class CannotWriteError(PinnaceError):
    """A directory is not writable, or its disk is full."""

    exit_code = 73


class ForeignClaudeError(PinnaceError):
    """A `claude` that is not Pinnace's would be hidden, or is in the way."""

    exit_code = 73


class RegistryUnreachableError(PinnaceError):
    """The npm registry does not answer; trying again later may help."""

    exit_code = 75


class UnreachableError(PinnaceError):
    """Something that is needed over a network or a socket refuses, or does not answer."""

    exit_code = 75


class ImageRegistryError(PinnaceError):
    """The image registry does not answer, or refuses for now; trying again later may help."""

    exit_code = 75


class BusyError(PinnaceError):
    """Another process holds a lock for too long."""

    exit_code = 75


class SessionBusyError(BusyError):
    """A launch is at work on the session."""

    exit_code = 75


class LaunchEndedError(PinnaceError):
    """A launch was ended, by who wanted it, before anything ran."""

    exit_code = 75


class PlatformUnsupportedError(PinnaceError):
    """This operating system lacks what is asked for."""

    exit_code = 69


class SessionStoreError(PinnaceError):
    """The store of sessions does not answer, or cannot keep what it is given."""

    exit_code = 74


class UnsafeRequestError(PinnaceError):
    """Refused, because it would break the isolation or the image."""

    exit_code = 77


class RegistryDeniedError(PinnaceError):
    """The image registry does not let you do this."""

    exit_code = 77


class VerificationFailedError(PinnaceError):
    """Something is not what it claims to be: an image's version, or a package's digest."""

    exit_code = 79


class RecordChangedError(PinnaceError):
    """The audit record is not as it was written."""

    exit_code = 79


def perhaps(text: str, choices: Iterable[str], form: str = IN_MESSAGE) -> str:
    """Return which of `choices` was perhaps meant by `text`; empty if none is like it.

    Args:
        text: as it was given.
        choices: of several that are as close, the first one counts.
        form: `IN_HINT` or `IN_MESSAGE`.
    """
    import difflib

    text, known = text[:_LONGEST], list(choices)
    begun = [choice for choice in known if len(text) >= _LEAST_BEGUN and choice.startswith(text)]
    close = begun or difflib.get_close_matches(text, known, n=1, cutoff=_CLOSE[form])
    return form.format(close[0]) if close else ""
