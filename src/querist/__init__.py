"""querist learns what to ask a labeller."""

__version__ = "0.1.0"
