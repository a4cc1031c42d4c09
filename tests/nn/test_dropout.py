import torch

from querist.nn.dropout import dropout_passes


def test_the_expected_value_is_kept_and_only_the_head_runs_again():
    features = torch.ones(1, 8, 50, 50)
    seen = []
    generator = torch.Generator().manual_seed(0)
    passes = list(dropout_passes(features, lambda kept: seen.append(kept.clone()) or kept.mean(), 0.5, 20, generator))
    assert len(passes) == 20
    assert all(set(kept.unique().tolist()) == {0.0, 2.0} for kept in seen)
    assert abs(torch.stack(passes).mean().item() - 1.0) < 0.01
    assert (features == 1).all()  # what comes before the head is not touched


def test_a_generator_fixes_the_masks():
    first, second = (
        list(dropout_passes(torch.ones(1, 4, 9), lambda kept: kept, 0.3, 3, torch.Generator().manual_seed(1)))
        for _ in range(2)
    )
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], first[1])


def test_without_a_rate_nothing_is_dropped():
    (kept,) = dropout_passes(torch.full((3, 3), 5.0), lambda kept: kept, 0.0, 1)
    assert torch.equal(kept, torch.full((3, 3), 5.0))
