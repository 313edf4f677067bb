"""What the builder and the launcher agree on: the image contract, versions, the lock, errors."""
