import itertools
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from querist.core.candidates import ClusterPools, GlobalPool
from querist.core.pool import ColumnarPool
from querist.errors import QueristError


def view_of(free, sources=60, parts=6):
    """All that a builder asks of a view."""
    pool = ColumnarPool([f"s{i}" for i in range(sources)], [f"@{p}" for p in range(parts)])
    return SimpleNamespace(pool=pool, free_units=lambda: np.sort(np.asarray(list(free), dtype=np.int64)))


def offered(candidates, view, seed, episode, step):
    """What a builder offers at a step of a game that has nothing but a view."""
    return candidates.build(SimpleNamespace(view=view, pool=view.pool, seed=seed, episode=episode), step)


def images(units, parts=6):
    return set((np.asarray(units) // parts).tolist())


@settings(max_examples=60)
@given(
    free=st.sets(st.integers(0, 359), max_size=120),
    groups=st.integers(1, 6),
    size=st.integers(1, 6),
    step=st.integers(0, 5),
)
def test_cluster_pools_are_disjoint_and_as_full_as_can_be(free, groups, size, step):
    found = offered(ClusterPools(groups, size), view_of(free), 1, 0, step)
    assert found.units.shape == found.mask.shape == (groups, size)
    listed = found.flat.tolist()
    assert len(set(listed)) == len(listed) == min(len(free), groups * size)
    assert set(listed) <= free
    assert (found.units[~found.mask] == -1).all()
    full = found.mask.sum(axis=1)
    assert full.max() - full.min() <= 1  # near exhaustion every group gets its share
    assert full.min() >= min(1, len(free) // groups)


def test_cluster_pools_come_from_as_few_images_as_can_fill_them():
    """Images join until they hold more free units than needed: 30 of 6 each need 6 images (36 > 30), 29 need 5."""
    for need, shape in ((30, (6, 5)), (24, (6, 4)), (28, (7, 4))):
        drawn = [offered(ClusterPools(*shape), view_of(range(360)), seed, 0, 0).flat for seed in range(40)]
        assert max(len(images(units)) for units in drawn) == need // 6 + 1
    poor = [u for u in range(360) if u % 6 == 0]  # one free unit an image
    assert len(images(offered(ClusterPools(3, 3), view_of(poor), 0, 0, 0).flat)) == 9


def exact_law(counts, need):
    """How many units of each image are drawn, by going through every order of images and every draw."""
    law = Counter()

    def draw(left, taken, chance):
        if sum(taken) == need or not any(left):
            law[taken] += chance
            return
        alive = [i for i, n in enumerate(left) if n]
        for i in alive:
            draw(
                tuple(n - (j == i) for j, n in enumerate(left)),
                tuple(n + (j == i) for j, n in enumerate(taken)),
                chance / len(alive),
            )

    orders = list(itertools.permutations(range(len(counts))))
    for order in orders:
        kept, total = set(), 0
        for image in order:
            if total > need:
                break
            kept.add(image)
            total += counts[image]
        draw(tuple(n if i in kept else 0 for i, n in enumerate(counts)), (0,) * len(counts), 1 / len(orders))
    return law


def test_cluster_pools_draw_by_the_law_of_the_paper():
    """An image uniformly among those with units left, then a unit of it: compared with every outcome's chance."""
    counts, need, steps = (1, 2, 5, 6), 6, 2500
    free = [6 * image + part for image, n in enumerate(counts) for part in range(n)]
    view, builder = view_of(free, sources=4), ClusterPools(2, 3)
    drawn = [offered(builder, view, 17, 0, step).flat for step in range(steps)]
    found = Counter(tuple(np.bincount(units // 6, minlength=4).tolist()) for units in drawn)
    law = exact_law(counts, need)
    assert sum(law.values()) == pytest.approx(1)
    assert set(found) <= set(law)
    for outcome, chance in law.items():
        assert abs(found[outcome] / steps - chance) < 5 * np.sqrt(chance * (1 - chance) / steps) + 1e-9, outcome
    units = np.bincount(np.concatenate(drawn), minlength=24)
    for image, n in enumerate(counts):  # within an image no unit is preferred, nor is any place in the groups
        expected = units[6 * image : 6 * image + n].mean()
        assert np.abs(units[6 * image : 6 * image + n] - expected).max() < 5 * np.sqrt(expected)
    first = np.bincount([u[0] // 6 for u in drawn], minlength=4) / steps
    anywhere = np.bincount(np.concatenate(drawn) // 6, minlength=4) / (steps * need)
    assert np.abs(first - anywhere).max() < 5 * 0.5 / np.sqrt(steps)


@pytest.mark.parametrize("builder", [ClusterPools(6, 5), GlobalPool(), GlobalPool(7)], ids=str)
def test_groups_are_a_function_of_seed_game_and_step(builder):
    view = view_of(range(360))
    digests = [
        offered(builder, view, *when).digest() for when in ((1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1), (1, 0, 0))
    ]
    assert digests[0] == digests[-1]
    assert len(set(digests)) == 4


def test_global_order_is_the_same_but_for_the_units_gone():
    gone = set(range(0, 360, 7))
    whole = offered(GlobalPool(), view_of(range(360)), 3, 0, 2).flat.tolist()
    rest = offered(GlobalPool(), view_of(set(range(360)) - gone), 3, 0, 2).flat.tolist()
    assert rest == [unit for unit in whole if unit not in gone]
    assert whole != sorted(whole)


def group_of(groups):
    return {int(unit): g for g, row in enumerate(groups.units) for unit in row if unit >= 0}


def test_cluster_pools_of_two_strategies_share_what_neither_has_bought():
    """In an image of which nothing was bought the same units come first, and most stand in the same pool."""
    rng = np.random.default_rng(0)
    shared, same = [], []
    for step in range(40):
        gone = [set(rng.choice(360, 12, replace=False).tolist()) for _ in range(2)]
        mine, yours = (group_of(offered(ClusterPools(6, 5), view_of(set(range(360)) - g), 3, 0, step)) for g in gone)
        untouched = set(range(60)) - images(list(gone[0] | gone[1]))
        for image in untouched & images(list(mine)) & images(list(yours)):
            a, b = ({u for u in units if u // 6 == image} for units in (mine, yours))
            assert a <= b or b <= a
        both = mine.keys() & yours.keys()
        shared.append(len(both) / 30)
        same.append(np.mean([mine[u] == yours[u] for u in both]))
    strangers = [
        len(group_of(offered(ClusterPools(6, 5), view_of(range(360)), seed, 0, 0)).keys() & mine) / 30
        for seed in range(40)
    ]
    assert np.mean(shared) > 0.85  # 12 of 360 are gone on either side
    assert np.mean(strangers) < 0.2
    assert np.mean(same) > 0.8  # 1 / 6 if the pools had nothing to do with each other


@settings(max_examples=30)
@given(st.sets(st.integers(0, 359), max_size=40), st.integers(1, 30) | st.none())
def test_a_global_pool_offers_everything_or_a_uniform_subset(free, limit):
    found = offered(GlobalPool(limit), view_of(free), 0, 0, 0)
    assert found.mask.all()
    assert len(found.flat) == min(len(free), limit or len(free))
    assert set(found.flat.tolist()) <= free
    assert found.units.shape[0] == 1


def test_a_limited_pool_prefers_no_unit():
    view = view_of(range(30))
    counts = np.bincount(
        np.concatenate([offered(GlobalPool(10), view, 0, 0, step).flat for step in range(1500)]), minlength=30
    )
    assert np.abs(counts - 500).max() < 5 * np.sqrt(1500 * (1 / 3) * (2 / 3))


def test_picks_per_group():
    assert GlobalPool().per_group(24) == 24
    assert ClusterPools(24, 10).per_group(24) == 1
    with pytest.raises(QueristError, match="a batch is 24 and not 16"):
        ClusterPools(24, 10).per_group(16)
