"""Plan → ask → score → store, and the main job on top of it."""
