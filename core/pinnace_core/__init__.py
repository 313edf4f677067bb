"""What both commands stand on: engines, errors, files, locks, retries, the host."""
