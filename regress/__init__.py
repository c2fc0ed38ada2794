"""regress: may this fine-tuned adapter replace what is in production?"""

__version__ = "0.1.0"
