"""Engines: which one there is, of what kind, and what it can do."""
