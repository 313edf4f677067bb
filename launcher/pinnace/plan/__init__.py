"""The plan of a launch: pure, from facts, settings and contributions to one frozen value."""
