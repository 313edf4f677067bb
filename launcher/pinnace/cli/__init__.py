"""The verbs besides a launch: importing a module adds its verbs to the command."""

from __future__ import annotations

from pinnace.cli import (
    audit,
    auth,
    config,
    containers,
    images,
    isolation,
    jobs,
    layers,
    network,
    parallel,
    ports,
    prompt,
    review,
    session,
    session_change,
    shim,
    status,
    trust,
    warm,
    worktree,
)
from pinnace.cli.group import cli

__all__ = [
    "audit",
    "auth",
    "cli",
    "config",
    "containers",
    "images",
    "isolation",
    "jobs",
    "layers",
    "network",
    "parallel",
    "ports",
    "prompt",
    "review",
    "session",
    "session_change",
    "shim",
    "status",
    "trust",
    "warm",
    "worktree",
]
