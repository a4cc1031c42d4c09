"""Observations of candidates whose embeddings are given by hand."""

import numpy as np

from querist.core.observation import Field, Groups, Observation, Schema


def embedded(points, labelled=(), mask=None, probabilities=None, classes=None):
    """Points (N, d) or (G, N, d), one number each where d is left out; labelled (m, d) likewise."""
    points = np.array(points, dtype=np.float32)
    if mask is not None:
        mask = np.atleast_2d(mask)
    if points.ndim == 1 or (points.ndim == 2 and mask is not None and mask.shape == points.shape):
        points = points[..., None]
    points = points[None] if points.ndim == 2 else points
    mask = np.ones(points.shape[:2], dtype=bool) if mask is None else mask
    width = points.shape[2]
    state = np.array(labelled, dtype=np.float32).reshape(-1, width)
    fields = [Field("embedding", (width,))]
    table = points
    if probabilities is not None:
        chances = np.array(probabilities, dtype=np.float32).reshape(*mask.shape, -1)
        fields.append(Field("probabilities", (chances.shape[2],), 0.0, 1.0, per_class=True))
        table = np.concatenate([points, chances], axis=2)
    units = np.where(mask, np.arange(mask.size).reshape(mask.shape), -1)
    schema = Schema(tuple(fields), (fields[0],), classes)
    return Observation(Groups(units, mask), table, schema, units[:, :, None], state)


def choose(policy, observation, k, seed=0):
    return policy.select(observation, k, np.random.default_rng(seed))
