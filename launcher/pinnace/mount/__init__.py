"""What is mounted besides the workspace."""
