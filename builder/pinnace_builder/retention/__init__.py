"""Retention: decide what may go (pure), read what there is, and remove it."""
