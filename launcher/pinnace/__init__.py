"""Launch Claude Code in a container image that matches a project's pinned CLI version."""
