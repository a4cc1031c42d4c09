"""Policies that come trained, by :attr:`querist.core.problem.Problem.default_policy`."""
