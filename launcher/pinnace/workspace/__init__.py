"""What lies in a workspace: what of it this machine would run, and what changed meanwhile."""
