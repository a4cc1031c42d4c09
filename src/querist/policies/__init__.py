"""Policies that come trained; ``--policy default`` is the one in ``ralis/``."""
