"""The host's variables that are not meant for what Pinnace starts, and are kept from it.

Shells, CI, git's hooks, `npm run` and a Claude around us set many. What docker, buildx, npm and git
are started with is this process's environment, without these rows; docs/hosts.md lists them, and
tests/engine/test_environment.py sees that each row is harmless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

KEPT_BACK: Final = {
    # The docker client: an image is run by its id, and built for a platform that is named.
    "DOCKER_DEFAULT_PLATFORM": "images are of this machine's platform, or of one that is named",
    "DOCKER_CONTENT_TRUST": "images are verified by their digests and labels",
    "DOCKER_CONTENT_TRUST_SERVER": "likewise",
    "DOCKER_BUILDKIT": "builds are buildx's",
    "DOCKER_HIDE_LEGACY_COMMANDS": "commands are not shown",
    # buildx: what it would add to an image depends on where somebody stands.
    "BUILDX_GIT_CHECK_DIRTY": "images hold nothing of a repository around them",
    "BUILDX_GIT_INFO": "likewise",
    "BUILDX_GIT_LABELS": "likewise",
    "BUILDX_METADATA_PROVENANCE": "attestations are chosen by options",
    "BUILDX_METADATA_WARNINGS": "likewise",
    "BUILDX_NO_DEFAULT_ATTESTATIONS": "likewise",
    "BUILDKIT_PROGRESS": "how progress is shown depends on who watches",
    "SOURCE_DATE_EPOCH": "an image's times are the lock's",
    # git: its hooks name the repository that they run in.
    "GIT_DIR": "the project is found by its place",
    "GIT_WORK_TREE": "likewise",
    "GIT_COMMON_DIR": "likewise",
    "GIT_INDEX_FILE": "likewise",
    "GIT_OBJECT_DIRECTORY": "likewise",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "likewise",
    "GIT_NAMESPACE": "likewise",
    "GIT_PREFIX": "likewise",
    "GIT_CONFIG": "the user's configuration is meant, whole",
    "GIT_CONFIG_COUNT": "likewise",
    "GIT_CONFIG_PARAMETERS": "likewise",
    "GIT_TRACE": "it would be mixed into answers",
    # npm: an outer `npm run` hands its own options down.
    "npm_config_dry_run": "a download has to be one",
    "npm_config_global": "packages are looked at, not installed",
    "npm_config_location": "likewise",
    "npm_config_local_prefix": "likewise",
    "npm_config_prefix": "likewise",
    "npm_config_workspace": "likewise",
    "npm_config_workspaces": "likewise",
    "npm_config_include_workspace_root": "likewise",
    "npm_config_json": "the answer's form is chosen by options",
    "npm_config_parseable": "likewise",
    "npm_config_long": "likewise",
    "npm_config_loglevel": "likewise",
    "npm_config_silent": "likewise",
    "npm_config_pack_destination": "where a download goes is chosen by options",
    "npm_config_tag": "a version is always named",
}
"""Variables, and why."""
_LOWERED: Final = "npm_config_"


def keep_back(environment: MutableMapping[str, str]) -> None:
    """Remove from an environment what is not meant for what is started; npm's in any case."""
    for name in list(environment):
        known = name.lower().replace("-", "_") if name.lower().startswith(_LOWERED) else name
        if known in KEPT_BACK:
            del environment[name]
