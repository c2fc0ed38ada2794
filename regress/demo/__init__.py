"""A tiny world of our own: tasks, a model that learned them, and two ways of fine-tuning it."""
