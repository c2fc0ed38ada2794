"""The frozen promise: what will be asked, how it will be scored, and what drop is acceptable."""
