"""Pins: where they stand, how they are written, and which version they mean."""
