import numpy as np

from querist.acquisition.multi_peak_entropy import MultiPeakEntropy
from querist.core.observation import Field, Groups, Observation, Schema


def test_the_largest_first():
    values = np.array([[[0.2], [0.9], [0.5]]], dtype=np.float32)
    groups = Groups(np.array([[4, 5, 6]]), np.ones((1, 3), dtype=bool))
    seen = Observation(groups, values, Schema((Field("multi_peak_entropy"),)), groups.units[:, :, None])
    found = MultiPeakEntropy().select(seen, 2, np.random.default_rng(0))
    assert found.indices.tolist() == [[1, 2]]
    np.testing.assert_allclose(found.scores, [[0.9, 0.5]])
