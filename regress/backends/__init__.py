"""Engines that answer requests. Only modules in this folder (and the trainer's) touch model libraries."""
