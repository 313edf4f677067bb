"""The project: its workspace, and git."""
