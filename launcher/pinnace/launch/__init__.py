"""Launching: from a plan to a running container, and what is known about those that run."""
