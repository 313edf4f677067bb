"""A program named `claude` that runs this Pinnace: made, found, removed, and what it does."""
