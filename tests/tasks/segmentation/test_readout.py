import numpy as np
import pytest
import torch
from torch.nn import functional

from querist.core.capabilities import CountsAnswers, KnowsTruth, Rehearses
from querist.errors import QueristError
from querist.nn.runtime import seeded
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.description import RegionDescriber
from querist.tasks.segmentation.readout import Features, ReadoutTask
from tiny import CLASSES, SIZE, VOID, SplitNet, labels_of, tiny_data, tiny_task

GIVEN, BOUGHT = [5, 2], [0, 4, 13, 31]
CELLS = (12, 16)
"""Of the feature map: the model's stride is two."""


def a_task(data=None):
    with seeded(0):
        return tiny_task(data or tiny_data(), SplitNet(len(CLASSES)))


def a_readout(task=None, sources=range(6), **settings):
    return ReadoutTask(task or a_task(), np.array(sources), **settings)


def fit(readout, units=BOUGHT, given=GIVEN, steps=300, phase="start", new=None):
    labels = labels_of(readout, units, given)
    new = labels if new is None else labels_of(readout, new)
    return readout.fit(labels, new=new, steps=steps, phase=phase, rng=np.random.default_rng(0))


def same(a, b):
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n]) for n in a)


def learned_cells(readout, units=BOUGHT, given=GIVEN, every=4):
    """Cell by cell: features, class and weight of what may be learned from; a cell is what its centre lies in."""
    rows = []
    for source in given:
        mask = readout.data.mask(source)
        for r, c in np.ndindex(CELLS):
            if mask[2 * r + 1, 2 * c + 1] != VOID:
                rows.append((readout._features.of([source])[0, r, c], int(mask[2 * r + 1, 2 * c + 1]), every))
    rows = rows[::every]
    for unit in units:
        window = np.zeros(SIZE, dtype=bool)
        window[readout.grid.window(unit % 9)] = True
        for r, c in np.ndindex(CELLS):
            at = 2 * r + 1, 2 * c + 1
            if window[at] and readout.data.mask(unit // 9)[at] != VOID:
                rows.append((readout._features.of([unit // 9])[0, r, c], int(readout.data.mask(unit // 9)[at]), 1))
    features, classes, weights = zip(*rows, strict=True)
    return torch.stack(features), torch.tensor(classes), torch.tensor(weights, dtype=torch.float64)


def solution(features, classes, weights, balance=0.5):
    """The minimum of the weighted cross-entropy with a decay of 1e-4, by a quasi-Newton method; and the loss there."""
    frequency = torch.stack([weights[classes == c].sum() for c in range(3)]) / weights.sum()
    weights = weights * frequency.clamp_min(1e-3)[classes] ** -balance
    weights = weights / weights.sum()
    solved = torch.zeros(features.shape[1], 3, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([solved], max_iter=500, tolerance_grad=1e-10, line_search_fn="strong_wolfe")

    def entropy():
        return (weights * functional.cross_entropy(features.double() @ solved, classes, reduction="none")).sum()

    def closure():
        solver.zero_grad()
        loss = entropy() + 0.5e-4 * solved.square().sum()
        loss.backward()
        return loss

    solver.step(closure)
    return solved.detach().float(), entropy().item()


# Learning -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("units", [BOUGHT, []], ids=["bought and given", "given"])
@pytest.mark.parametrize("balance", [0.5, 0.0])
def test_it_finds_the_best_linear_classifier(units, balance):
    readout = a_readout(balance=balance)
    log = fit(readout, units, steps=400)
    expected, loss = solution(*learned_cells(readout, units), balance)
    torch.testing.assert_close(readout.model.weight.data, expected, atol=2e-3, rtol=2e-3)
    assert log["loss"] == pytest.approx(loss, rel=1e-4)


def test_without_given_images_it_learns_from_what_was_bought_alone():
    readout = a_readout()
    fit(readout, given=[], steps=3000)
    expected, _ = solution(*learned_cells(readout, given=[]))
    torch.testing.assert_close(readout.model.weight.data, expected, atol=0.05, rtol=0.05)


def test_all_cells_of_given_images_may_be_asked_for():
    readout = a_readout(given_share=1.0)
    fit(readout, steps=400)
    expected, _ = solution(*learned_cells(readout, every=1))
    torch.testing.assert_close(readout.model.weight.data, expected, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("phase", ["start", "step", "final"])
def test_labels_that_were_not_bought_have_no_influence(phase):
    """Two data sets that agree only where labels were bought or given train to the same bits."""
    plain = tiny_data()
    masks = np.asarray(plain.masks).copy()
    task = a_task()
    for source in set(range(6)) - set(GIVEN):
        for part in set(range(9)) - {unit % 9 for unit in BOUGHT if unit // 9 == source}:
            window = masks[source][task.grid.window(part)]
            window[window != VOID] = (window[window != VOID] + 1) % 3
    other = a_readout(a_task(SegmentationData(plain.names, np.asarray(plain.images), masks, CLASSES)))
    readout = a_readout(task)
    for each in (readout, other):
        fit(each, steps=10, phase=phase)
    assert same(readout.snapshot(), other.snapshot())


def test_steps_go_on_and_other_phases_begin_anew():
    whole, parts = a_readout(), a_readout()
    fit(whole, steps=20)
    fit(parts, steps=8)
    fit(parts, steps=12, phase="step", new=[4])
    assert same(whole.snapshot(), parts.snapshot())  # momentum included
    for phase in ("start", "final"):
        fit(parts, steps=20, phase=phase)
        assert same(whole.snapshot(), parts.snapshot())


def test_it_draws_nothing():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    readout = a_readout()
    stream = np.random.default_rng(0)
    labels = labels_of(readout, BOUGHT, GIVEN)
    readout.fit(labels, new=labels, steps=3, phase="step", rng=stream)
    readout.describe(np.array([3]), ["entropy"], stream)
    assert stream.random() == np.random.default_rng(0).random()
    assert torch.equal(torch.rand(3), expected)


def test_with_nothing_to_learn_from_nothing_happens():
    readout = a_readout()
    fit(readout, steps=5)
    kept = readout.snapshot()
    assert fit(readout, [], [], steps=5) == {}
    assert fit(readout, steps=0) == {}
    assert same(readout.snapshot(), kept)


def test_regions_of_void_alone_teach_nothing_and_break_nothing():
    data = tiny_data()
    data.masks[0][:] = VOID
    readout = a_readout(a_task(data))
    log = fit(readout, [0, 1], [], steps=5, phase="step")
    assert log["loss"] == 0
    assert not readout.snapshot()["weight"].any()
    fit(readout, [10], [0], steps=5)  # beside labels they do not count
    other = a_readout(a_task(data))
    fit(other, [10], [], steps=5)
    assert same(readout.snapshot(), other.snapshot())


def test_other_given_images_are_other_labels():
    readout, other = a_readout(), a_readout()
    for each, given in ((readout, [1]), (readout, [5]), (other, [5])):
        fit(each, given=given, steps=4)
    assert same(readout.snapshot(), other.snapshot())


def test_a_snapshot_is_a_copy_and_restores_every_bit():
    readout = a_readout()
    fit(readout, steps=7)
    kept = readout.snapshot()
    before = {name: array.copy() for name, array in kept.items()}
    fit(readout, steps=5, phase="step", new=[4])
    later = readout.snapshot()
    assert same(kept, before)
    assert not same(later, before)
    resumed = a_readout()
    resumed.restore(kept)
    assert same(resumed.snapshot(), kept)
    fit(resumed, steps=5, phase="step", new=[4])
    assert same(resumed.snapshot(), later)
    assert same(kept, before)


def test_save_and_load(tmp_path):
    readout, other = a_readout(), a_readout()
    fit(readout, steps=7)
    readout.save(tmp_path / "model.safetensors")
    other.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(other.snapshot()["weight"], readout.snapshot()["weight"])


# Features -------------------------------------------------------------------------------------------------------------


def test_features_are_white_over_all_images_and_end_with_a_constant():
    white = a_readout()._features.white
    assert white.shape == (6, *CELLS, 5)
    cells = white.reshape(-1, 5).double()
    assert (cells[:, 4] == 1).all()
    torch.testing.assert_close(cells[:, :4].mean(dim=0), torch.zeros(4, dtype=torch.float64), atol=1e-5, rtol=0)
    torch.testing.assert_close(cells[:, :4].T @ cells[:, :4] / len(cells), torch.eye(4).double(), atol=1e-4, rtol=0)


def test_directions_that_are_rounding_are_left_out():
    maps = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    maps = torch.cat([maps, maps[:, :1] + maps[:, 1:] + 1e-7, torch.ones(3, 1, 4, 4)], dim=1)  # two of four say nothing
    features = Features(maps, np.array([1, 3, 4]), tiny_data(size=(8, 8)))
    assert features.white.shape == (3, 4, 4, 3)
    assert features.white.isfinite().all()


def test_sources_that_are_not_kept_are_named():
    readout = a_readout(sources=[1, 3])
    assert sorted(readout._features.row) == [1, 3]
    with pytest.raises(ValueError, match="no features of source 2"):
        readout.evaluate(np.array([2]))


def test_the_task_behind_it_is_left_alone():
    task = a_task()
    labels = labels_of(task, [], GIVEN)
    stream = np.random.default_rng
    task.fit(labels, new=labels, steps=2, phase="start", rng=stream(0))
    task.model.train()
    before = task.snapshot()
    readout = task.rehearsal(np.arange(6))
    fit(readout, steps=3)
    readout.describe(np.array([3]), ["entropy"], stream(0))
    readout.evaluate(np.array([1]))
    assert same(task.snapshot(), before)


# What it says ---------------------------------------------------------------------------------------------------------


def test_evaluation_counts_the_cells_one_by_one():
    readout = a_readout(batch=2)
    fit(readout, steps=5)
    sources = np.array([4, 0, 3])
    counts = np.zeros((3, 3, 3), dtype=int)
    for n, source in enumerate(sources):
        scores = readout._features.of([source])[0] @ readout.model.weight
        for r, c in np.ndindex(CELLS):
            truth = readout.data.mask(source)[2 * r + 1, 2 * c + 1]
            if truth != VOID:
                counts[n, truth, int(scores[r, c].argmax())] += 1
    found = readout.evaluate(sources)
    np.testing.assert_array_equal(found.statistics.reshape(3, 3, 3), counts)
    np.testing.assert_array_equal(found.sources, sources)
    total = counts.sum(axis=0)
    iou = np.diag(total) / (total.sum(axis=0) + total.sum(axis=1) - np.diag(total))
    assert found.value == pytest.approx(100 * iou.mean())


def test_images_of_void_alone_cannot_be_measured_on():
    data = tiny_data()
    data.masks[3][:] = VOID
    readout = a_readout(a_task(data))
    with pytest.raises(QueristError, match="labelled"):
        readout.evaluate(np.array([3]))
    readout.evaluate(np.array([3, 4]))


def test_regions_are_described_by_the_enlarged_logits():
    readout = a_readout(batch=2)
    fit(readout, steps=5)
    units = np.array([40, 3, 12, 3, 8, 49])
    names = list(readout.fields)
    assert {"entropy", "margin", "classes", "class_counts", "entropy_grid", "probabilities"} == set(names)
    found = readout.describe(units, names, np.random.default_rng(0))
    scores = readout._features.of(range(6)) @ readout.model.weight
    logits = functional.interpolate(scores.permute(0, 3, 1, 2), size=SIZE, mode="bilinear", align_corners=False)
    tables = RegionDescriber(readout.grid, SIZE, 3, 1).from_logits(names, logits)
    for name in names:
        expected = tables[name][units // 9, units % 9]
        assert found[name].shape == (6, *readout.fields[name].shape)
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], expected.reshape(found[name].shape), atol=1e-5, err_msg=name)


def test_nobody_to_describe():
    readout = a_readout()
    found = readout.describe(np.zeros(0, dtype=np.int64), ["classes", "entropy"], np.random.default_rng(0))
    assert {name: table.shape for name, table in found.items()} == {"classes": (0, 3), "entropy": (0,)}


def test_predictions_are_logits_of_the_image():
    readout = a_readout(batch=4)
    fit(readout, steps=5)
    batches = list(readout.predict(np.arange(6)))
    assert [sources.tolist() for sources, _ in batches] == [[0, 1, 2, 3], [4, 5]]
    assert all(logits.shape == (len(sources), 3, *SIZE) for sources, logits in batches)


def test_answers_are_those_of_the_task():
    task = a_task()
    readout = a_readout(task)
    units = np.array([3, 30])
    for ours, theirs in zip(readout.truth(units), task.truth(units), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(readout.amounts(units, readout.truth(units)), task.amounts(units, task.truth(units)))
    assert isinstance(readout, KnowsTruth)
    assert isinstance(readout, CountsAnswers)
    assert (readout.pool, readout.parts, readout.amount_unit) == (task.pool, task.parts, "pixels")


def test_a_model_that_does_not_split_has_no_stand_in():
    task = tiny_task()
    assert a_task().can(Rehearses)
    assert not task.can(Rehearses)
    with pytest.raises(QueristError, match="cannot be split at its head"):
        task.rehearsal(np.arange(6))
