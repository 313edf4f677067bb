"""Images: which one is taken, how it is got, verified, and what a project adds to it."""
