import numpy as np
import pytest
import torch

from embedded import choose, embedded
from querist.acquisition.core_gcn import CoreGcn
from querist.acquisition.labelled_graph import tell_apart
from querist.errors import QueristError
from querist.kernels.k_centre import k_centre_greedy

RNG = np.random.default_rng(0)
LABELLED, OFFERED = RNG.random((9, 3)).astype(np.float32), RNG.random((12, 3)).astype(np.float32)


def test_it_is_core_set_on_the_hidden_features():
    found = choose(CoreGcn(steps=30), embedded(OFFERED, LABELLED), 4, seed=3)
    stream = torch.Generator().manual_seed(int(np.random.default_rng(3).integers(2**62)))
    seen, known = tell_apart(torch.from_numpy(OFFERED), torch.from_numpy(LABELLED), stream, 30)
    rows, radii = k_centre_greedy(seen.hidden, 4, centres=known.hidden)
    assert found.indices[0].tolist() == rows.tolist()
    np.testing.assert_allclose(found.scores[0], radii.numpy(), rtol=1e-6)


def test_a_limit_and_no_labels():
    found = choose(CoreGcn(steps=5, limit=4), embedded(OFFERED), 3)
    assert found.indices.max() < 4
    assert np.isfinite(found.scores).all()
    assert len(set(choose(CoreGcn(steps=5, limit=4), embedded(OFFERED, LABELLED), 12).indices[0].tolist())) == 12


def test_refusals():
    with pytest.raises(QueristError, match="0 steps"):
        CoreGcn(steps=0)
