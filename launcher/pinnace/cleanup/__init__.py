"""What launches leave behind, and what of it may go."""
