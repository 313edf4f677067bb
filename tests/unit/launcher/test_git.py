"""Which git settings go in."""

from __future__ import annotations

import pytest

from pinnace.plan.contributors.git import Entry, allowed

_CANARY = "canary0123456789"


def entry(key: str, value: str | None = "x", scope: str = "global", origin: str = "/h/.c") -> Entry:
    return Entry(scope, origin, key, value)


def keys(*entries: Entry, project: str = "/srv/demo") -> list[str]:
    return [key for key, _ in allowed(entries, project=project).pairs]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("user.name", "Ada"),
        ("user.email", "ada@example.com"),
        ("alias.co", "checkout"),
        ("pull.rebase", "true"),
        ("init.defaultbranch", "main"),
        ("color.diff.meta", "yellow"),
        ("core.autocrlf", "input"),
        ("rerere.enabled", None),
        ("url.git@example.com:.insteadof", "https://example.com/"),
        ("url.ssh://git@example.com/.pushinsteadof", "https://example.com/"),
    ],
)
def test_what_is_about_git_goes_in(key: str, value: str | None) -> None:
    assert allowed([entry(key, value)], project="/srv/demo").pairs == ((key, value),)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("credential.helper", f"!echo password={_CANARY}"),
        ("credential.https://example.com.username", _CANARY),
        ("http.extraheader", f"Authorization: Basic {_CANARY}"),
        ("http.https://example.com/.extraheader", f"X-Key: {_CANARY}"),
        ("http.proxy", f"http://user:{_CANARY}@proxy:8080"),
        ("http.cookiefile", f"/h/{_CANARY}"),
        ("http.sslkey", f"/h/{_CANARY}"),
        (f"url.https://{_CANARY}@example.com/.insteadof", "https://example.com/"),
        (f"url.https://user:{_CANARY}@example.com/.insteadof", "https://example.com/"),
        ("url.https://example.com/.insteadof", f"https://x:{_CANARY}@example.com/"),
        (f"url.ssh://git:{_CANARY}@example.com/.insteadof", "x:"),
        ("alias.x", f"!curl -H 'Authorization: {_CANARY}' example.com"),
        ("alias.x", f"-c http.extraHeader='authorization: {_CANARY}' fetch"),
        ("alias.x", f"push https://me:{_CANARY}@example.com/x"),
        ("pretty.x", f"ghp_{_CANARY}"),
        ("pretty.x", f"glpat-{_CANARY}"),
        ("sendemail.smtppass", _CANARY),
        ("imap.pass", _CANARY),
        ("github.token", _CANARY),
        ("user.signingkey", _CANARY),
        ("includeif.gitdir:/h/.path", f"/h/{_CANARY}"),
        ("remote.origin.url", f"https://{_CANARY}@example.com/"),
        ("core.sshcommand", f"ssh -i /h/{_CANARY}"),
        ("core.askpass", f"/h/{_CANARY}"),
        ("gpg.program", "/usr/bin/gpg"),
        ("core.editor", "code --wait"),
        ("core.pager", "delta"),
        ("core.hookspath", "/h/hooks"),
        ("core.fsmonitor", "/h/watch"),
        ("core.worktree", "/h"),
        ("filter.lfs.process", "git-lfs filter-process"),
        ("diff.external", "difft"),
        ("diff.x.textconv", "x"),
        ("merge.tool", "meld"),
        ("merge.x.driver", "x"),
        ("init.templatedir", "/h/template"),
        ("commit.gpgsign", "true"),
        ("commit.template", "/h/template"),
        ("tag.gpgsign", "true"),
        ("push.gpgsign", "true"),
        ("safe.directory", "*"),
        ("protocol.ext.allow", "always"),
        ("submodule.x.update", "!x"),
        ("gc.auto", "0"),
        ("unheard.of", "x"),
        ("user", "x"),
    ],
)
def test_secrets_and_programs_of_the_host_stay_out(key: str, value: str) -> None:
    assert keys(entry(key, value)) == []


@pytest.mark.parametrize("scope", ["local", "worktree", "command", "system"])
def test_only_the_users_own_settings_count(scope: str) -> None:
    assert keys(entry("user.name", scope=scope)) == []


def test_line_ends_of_windows_are_the_systems() -> None:
    assert keys(entry("core.autocrlf", "true", scope="system")) == ["core.autocrlf"]


def test_a_file_in_the_project_decides_nothing_but_the_name() -> None:
    planted = "/srv/demo/.gitconfig"
    own = [
        entry(key, "/h/.ssh/id", origin=planted)
        for key in ("user.name", "core.excludesfile", "core.attributesfile", "alias.x")
    ]

    chosen = allowed(own, project="/srv/demo")

    assert chosen.pairs == (("user.name", "/h/.ssh/id"),)
    assert (chosen.excludes, chosen.attributes) == ((), ())


@pytest.mark.parametrize(
    ("values", "signs"),
    [(["true"], True), ([None], True), (["TRUE", "false"], False), (["false"], False), ([], False)],
)
def test_signing_is_noticed(values: list[str | None], *, signs: bool) -> None:
    own = [entry("commit.gpgsign", value) for value in values]

    assert allowed(own, project="/srv/demo").signing is signs


def test_order_and_repetition_stay() -> None:
    own = [entry("user.name", "a"), entry("pull.rebase"), entry("user.name", "b")]

    assert keys(*own) == ["user.name", "pull.rebase", "user.name"]
