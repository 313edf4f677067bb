"""What launches leave behind: `scan` reads and removes it, `plan` decides what of it may go."""
