"""Running launches: their records and containers, and what they leave behind."""
