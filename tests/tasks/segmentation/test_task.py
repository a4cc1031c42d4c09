import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from querist.core.capabilities import CountsAnswers, DrawsPictures, Embeds, KnowsTruth, LocatesUnits, SamplesPredictions
from querist.errors import QueristError
from querist.nn.runtime import torch_generator
from querist.nn.weights import save_model
from querist.tasks.segmentation.data import SegmentationData
from querist.tasks.segmentation.task import SegmentationTask, cross_entropy
from tiny import CLASSES, REGION, SIZE, VOID, SplitNet, TinyNet, labels_of, tiny_data, tiny_schedule, tiny_task

GIVEN, OLD, NEW = [5], [0, 4, 13], [22, 31]


def rng(seed=0):
    return np.random.default_rng(seed)


def start(task, seed=0, steps=3):
    labels = labels_of(task, [], GIVEN)
    return task.fit(labels, new=labels, steps=steps, phase="start", rng=rng(seed))


def step(task, units, new, seed=1, steps=2):
    return task.fit(labels_of(task, units, GIVEN), new=labels_of(task, new), steps=steps, phase="step", rng=rng(seed))


def same(a, b):
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n]) for n in a)


def logits(task, source):
    """The model called by hand, in eval mode, on an image normalised by hand."""
    image = task.data.image(source).astype(np.float64) / 255
    image = (image - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    task.model.eval()
    with torch.no_grad():
        return task.model(torch.from_numpy(image.transpose(2, 0, 1)[None]).float())[0].double().numpy()


def test_the_same_stream_gives_the_same_bits():
    snapshots = []
    for seed in (0, 0, 7):
        task = tiny_task()
        start(task, seed)
        step(task, OLD + NEW, NEW)
        snapshots.append(task.snapshot())
    assert same(snapshots[0], snapshots[1])
    assert not same(snapshots[0], snapshots[2])


def test_training_leaves_the_global_generators_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    start(tiny_task())
    assert torch.equal(torch.rand(3), expected)


def test_restored_in_another_process_it_goes_on_bit_by_bit():
    task = tiny_task()
    start(task)
    step(task, OLD, OLD)
    kept = task.snapshot()
    step(task, OLD + NEW, NEW, seed=2)
    whole = task.snapshot()
    resumed = tiny_task(model=TinyNet(3))  # other weights, until it is restored
    resumed.restore(kept)
    assert same(resumed.snapshot(), kept)
    step(resumed, OLD + NEW, NEW, seed=2)
    assert same(resumed.snapshot(), whole)
    # The momentum is part of it: without it the same step ends elsewhere.
    momenta = [name for name in kept if "momentum" in name]
    assert momenta
    assert all(np.abs(kept[name]).max() > 0 for name in momenta)
    resumed.restore(kept | {name: np.zeros_like(kept[name]) for name in momenta})
    step(resumed, OLD + NEW, NEW, seed=2)
    assert not same(resumed.snapshot(), whole)


def test_a_snapshot_is_a_copy():
    task = tiny_task()
    kept = task.snapshot()
    before = {name: array.copy() for name, array in kept.items()}
    start(task)
    assert same(kept, before)
    assert not same(task.snapshot(), before)


def test_a_final_training_does_not_touch_the_trajectory():
    task = tiny_task()
    start(task)
    first = task.snapshot()
    step(task, OLD, OLD)
    trajectory = task.snapshot()
    task.restore(first)
    labels = labels_of(task, OLD, GIVEN)
    task.fit(labels, new=labels, steps=3, phase="final", rng=rng(3))
    task.restore(trajectory)
    step(task, OLD + NEW, NEW, seed=2)
    resumed = tiny_task()
    resumed.restore(trajectory)
    step(resumed, OLD + NEW, NEW, seed=2)
    assert same(task.snapshot(), resumed.snapshot())


@pytest.mark.parametrize("phase", ["start", "step", "final"])
def test_labels_that_were_not_bought_have_no_influence(phase):
    """Two data sets that agree only where labels were bought or given train to the same bits."""
    plain = tiny_data()
    task = tiny_task()
    other = np.asarray(plain.masks).copy()
    for source in range(6):
        for part in range(9):
            if source not in GIVEN and 9 * source + part not in OLD + NEW:
                window = other[source][task.grid.window(part)]
                window[window != VOID] = (window[window != VOID] + 1) % 3
    other[:5, :, 30:] = 2  # the columns that no region covers
    scrambled = tiny_task(SegmentationData(plain.names, plain.images, other, CLASSES))
    for trained in (task, scrambled):
        labels = labels_of(trained, OLD + NEW, GIVEN)
        trained.fit(labels, new=labels_of(trained, NEW), steps=3, phase=phase, rng=rng())
    assert same(task.snapshot(), scrambled.snapshot())
    assert task.evaluate(np.arange(5)).value != scrambled.evaluate(np.arange(5)).value


def test_nothing_to_learn_from_changes_nothing():
    task = tiny_task()
    before = task.snapshot()
    nothing = labels_of(task, [])
    assert task.fit(nothing, new=nothing, steps=5, phase="step", rng=rng()) == {}
    assert start(task, steps=0) == {}
    assert same(task.snapshot(), before)


def test_training_learns_and_leaves_the_model_in_eval_mode():
    task = tiny_task()
    before = task.evaluate(np.array([4, 5])).value
    labels = labels_of(task, [], [0, 1, 2, 3])
    log = task.fit(labels, new=labels, steps=60, phase="start", rng=rng())
    assert not task.model.training
    assert log["loss"] < 1.1
    assert task.evaluate(np.array([4, 5])).value > 20 + before  # class and brightness go together


def test_a_loss_that_explodes_is_said():
    net = TinyNet(3)
    task = SegmentationTask(tiny_data(), net, REGION, lambda z, m, v: z.sum() * torch.nan, tiny_schedule(), "cpu")
    with pytest.raises(QueristError, match="loss became nan in the start training"):
        start(task)


def test_the_loss_is_the_mean_over_labelled_pixels():
    z = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), requires_grad=True)
    masks = torch.full((2, 4, 5), VOID)
    masks[0, 1, 2], masks[1, 3, 4] = 0, 2
    p = z.detach().softmax(1)
    expected = -(p[0, 0, 1, 2].log() + p[1, 2, 3, 4].log()) / 2
    torch.testing.assert_close(cross_entropy(z, masks, VOID), expected)
    nothing = cross_entropy(z, torch.full((2, 4, 5), VOID), VOID)
    nothing.backward()
    assert float(nothing.detach()) == 0
    assert z.grad is not None
    assert float(z.grad.abs().max()) == 0


def test_what_is_described_is_what_the_model_says_of_each_region():
    units = np.array([31, 4, 53, 5, 4, 0])  # shuffled, one image twice, one unit twice
    task = tiny_task(batch=2)
    start(task)
    found = task.describe(units, ("margin", "classes", "entropy"), rng())
    assert {name: (v.shape, v.dtype.name) for name, v in found.items()} == {
        "margin": ((6,), "float32"),
        "classes": ((6, 3), "float32"),
        "entropy": ((6,), "float32"),
    }
    for row, unit in enumerate(units):
        z = logits(task, unit // 9)[(slice(None), *task.grid.window(unit % 9))]
        p = np.exp(z) / np.exp(z).sum(0)
        ranked = np.sort(p, axis=0)
        assert found["entropy"][row] == pytest.approx((-p * np.log(p)).sum(0).mean(), abs=1e-5)
        assert found["margin"][row] == pytest.approx((ranked[-1] - ranked[-2]).mean(), abs=1e-5)
        shares = np.bincount(p.argmax(0).ravel(), minlength=3) / 80
        np.testing.assert_allclose(found["classes"][row], shares, atol=1e-6)


def test_each_image_is_predicted_once_for_all_fields():
    task, calls = tiny_task(batch=2), []
    task.model.register_forward_hook(lambda module, args, out: calls.append(len(args[0])))
    task.describe(np.array([0, 1, 9, 20, 8]), ("entropy", "margin", "classes"), rng())
    assert calls == [2, 1]


def test_evaluation_is_the_mean_iou_of_every_pixel():
    task = tiny_task(batch=4)
    start(task)
    sources = np.array([4, 0, 3])
    found = task.evaluate(sources)
    guess = np.stack([logits(task, s).argmax(0) for s in sources])
    truth = np.stack([task.data.mask(s) for s in sources])
    shares = []
    for c in range(3):
        g, t = (guess == c) & (truth != VOID), truth == c
        shares.append(100 * (g & t).sum() / (g | t).sum())
    np.testing.assert_allclose(found.part_values, shares)
    assert found.value == pytest.approx(np.mean(shares))
    assert found.sources.tolist() == [4, 0, 3]
    one = tiny_task(batch=1)
    one.restore(task.snapshot())
    one.model.train()  # a user's model may come so
    np.testing.assert_array_equal(one.evaluate(sources).statistics, found.statistics)


def test_masks_are_needed_only_to_answer_and_to_measure():
    plain = tiny_data()
    task = tiny_task(SegmentationData(plain.names, plain.images, None, CLASSES))
    assert task.describe(np.array([3]), ("entropy",), rng())["entropy"].shape == (1,)
    for action in (lambda: task.truth(np.array([3])), lambda: task.evaluate(np.array([0]))):
        with pytest.raises(QueristError, match="'i0' has no mask"):
            action()


def test_truth_amounts_and_places():
    task = tiny_task()
    units = np.array([53, 4])
    answers = task.truth(units)
    np.testing.assert_array_equal(answers[0], task.data.mask(5)[16:24, 20:30])
    np.testing.assert_array_equal(answers[1], task.data.mask(0)[8:16, 10:20])
    amounts = task.amounts(units, answers)
    assert amounts.tolist() == [[int((a == c).sum()) for c in range(3)] for a in answers]
    assert task.amounts(units[:0], []).shape == (0, 3)
    assert task.locate(units) == [{"image": "i5", "box": [20, 16, 10, 8]}, {"image": "i0", "box": [10, 8, 10, 8]}]
    for capability in (KnowsTruth, CountsAnswers, LocatesUnits, DrawsPictures, Embeds):
        assert isinstance(task, capability)


def test_a_users_own_module_is_enough_until_its_head_is_needed():
    task = tiny_task()
    with pytest.raises(QueristError, match="TinyNet cannot be split at its head") as caught:
        task.embed(np.array([0]))
    assert "features(images)" in caught.value.fix
    with pytest.raises(QueristError, match="TinyNet cannot be split"):
        next(task.sample_predictions(np.array([0]), 2, rng()))


def test_only_a_model_with_a_head_apart_has_the_capabilities_that_need_one():
    plain, split = tiny_task(), tiny_task(model=SplitNet(3))
    for capability in (Embeds, SamplesPredictions):
        assert not plain.can(capability)
        assert split.can(capability)
    assert plain.can(KnowsTruth)


def test_embeddings_are_means_over_regions():
    """Regions of 8 x 8 under a stride of two: 4 x 4 cells each, no cell is cut."""
    task = SegmentationTask(tiny_data(), SplitNet(3).eval(), (8, 8), schedule=tiny_schedule(), device="cpu")
    units = np.array([50, 0, 7])
    found = task.embed(units)
    for row, (source, part) in enumerate(divmod(int(u), 12) for u in units):
        image = (task.data.image(source) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        with torch.no_grad():
            maps = task.model.body(torch.from_numpy(image.transpose(2, 0, 1)[None]).float())
        window = functional.avg_pool2d(maps, 2)[0, :, 4 * (part // 4) :, 4 * (part % 4) :][:, :4, :4]
        np.testing.assert_allclose(found[row], window.mean(dim=(1, 2)).numpy(), atol=1e-5)


def test_sampled_predictions_differ_by_pass_and_repeat_by_stream():
    task = tiny_task(model=SplitNet(3), batch=2)

    def play(seed):
        return [(s.tolist(), torch.stack(list(p))) for s, p in task.sample_predictions(np.arange(3), 4, rng(seed))]

    first, again, other = play(0), play(0), play(1)
    assert [s for s, _ in first] == [[0, 1], [2]]
    assert first[0][1].shape == (4, 2, 3, *SIZE)
    assert torch.equal(first[0][1], again[0][1])
    assert not torch.equal(first[0][1], other[0][1])
    assert not torch.equal(first[0][1][0], first[0][1][1])


def test_a_checkpoint_of_the_user(tmp_path):
    trained, task = tiny_task(model=TinyNet(3)), tiny_task()
    start(trained)
    save_model(trained.model, tmp_path / "mine.safetensors")
    task.load(tmp_path / "mine.safetensors")
    np.testing.assert_array_equal(logits(task, 0), logits(trained, 0))
    save_model(TinyNet(5), tmp_path / "five.safetensors")
    with pytest.raises(QueristError, match=r"five\.safetensors|TinyNet"):
        task.load(tmp_path / "five.safetensors")


def test_a_snapshot_of_another_model_is_refused():
    with pytest.raises(QueristError, match="the snapshot does not fit the model"):
        tiny_task().restore(tiny_task(model=TinyNet(3, width=6)).snapshot())


def test_the_fields_say_their_ranges():
    fields = tiny_task(model=nn.Conv2d(3, 3, 1)).fields
    assert fields["entropy"].high == pytest.approx(np.log(3))
    assert [n for n, f in fields.items() if f.per_class] == ["classes", "probabilities", "class_counts"]
    assert fields["classes"].shape == (3,)


def region(task, unit):
    return (..., *task.grid.window(unit % 9))


def test_mean_probabilities_of_each_region():
    units = np.array([31, 4, 0])
    task = tiny_task()
    start(task)
    found = task.describe(units, ("probabilities",), rng())["probabilities"]
    assert found.dtype == np.float32
    for row, unit in enumerate(units):
        z = logits(task, unit // 9)[region(task, unit)]
        p = np.exp(z) / np.exp(z).sum(0)
        np.testing.assert_allclose(found[row], p.mean(axis=(1, 2)), atol=1e-5)


def test_mutual_information_equals_the_passes_written_out():
    """Entropy of the mean minus mean entropy, over passes that are all kept."""
    task = SegmentationTask(tiny_data(), SplitNet(3), REGION, schedule=tiny_schedule(), device="cpu", passes=5)
    units = np.array([22, 3, 19])
    found = task.describe(units, ("mutual_information",), rng(4))["mutual_information"]
    generator = torch_generator(int(rng(4).integers(2**62)), torch.device("cpu"))
    images = np.stack([task.data.image(source) for source in (0, 2)])  # one batch, in the order of the sources
    with torch.no_grad():
        maps = task.model.features(task._tensor(images))
        passes = torch.stack([z.softmax(1) for z in task.model.classify_dropout(maps, SIZE, 5, generator)]).double()
    of_mean = torch.special.entr(passes.mean(0)).sum(1)
    expected = (of_mean - torch.special.entr(passes).sum(2).mean(0)).numpy()
    for row, (image, unit) in enumerate([(1, 22), (0, 3), (1, 19)]):
        assert found[row] == pytest.approx(expected[image][region(task, unit)].mean(), abs=1e-5)
    assert found.min() > 0


def test_one_pass_of_dropout_holds_no_disagreement_and_none_is_refused():
    def task(passes):
        return SegmentationTask(tiny_data(), SplitNet(3), REGION, device="cpu", passes=passes)

    assert task(1).describe(np.array([0, 9]), ("mutual_information",), rng())["mutual_information"].max() < 1e-6
    with pytest.raises(QueristError, match="0 Monte-Carlo passes"):
        task(0)


def test_features_are_computed_once_for_all_fields_and_passes_only_where_wanted():
    calls = []

    class Counting(SplitNet):
        def features(self, images):
            calls.append(("features", len(images)))
            return super().features(images)

        def classify_dropout(self, features, size, passes, generator):
            calls.append(("passes", passes))
            return super().classify_dropout(features, size, passes, generator)

    task = tiny_task(model=Counting(3), batch=2)
    units = np.array([0, 1, 9, 20, 8])
    task.embedding_width()
    calls.clear()
    every = task.describe(units, ("entropy", "embedding", "mutual_information", "classes", "probabilities"), rng(1))
    assert calls == [("features", 2), ("passes", 20), ("features", 1), ("passes", 20)]
    calls.clear()
    plain = task.describe(units, ("entropy", "classes"), rng(1))
    alone = task.describe(units, ("mutual_information",), rng(1))
    np.testing.assert_array_equal(task.embed(units), every["embedding"])
    assert calls == [("features", n) for n in (2, 1)] + [
        ("features", 2), ("passes", 20), ("features", 1), ("passes", 20), ("features", 2), ("features", 1)
    ]  # fmt: skip
    for name, table in (plain | alone).items():
        np.testing.assert_array_equal(table, every[name])


def test_the_width_is_known_without_a_unit_and_leaves_the_model_alone():
    task = tiny_task(model=SplitNet(3))
    task.model.train()
    before = task.snapshot()
    assert task.embedding_width() == 4
    assert same(task.snapshot(), before)  # batch norm has not seen the black image
    assert task.describe(np.zeros(0, dtype=np.int64), ("embedding", "entropy"), rng())["embedding"].shape == (0, 4)
    with pytest.raises(QueristError, match="cannot be split at its head"):
        tiny_task().embedding_width()


def test_only_a_model_with_a_head_apart_offers_mutual_information():
    assert "mutual_information" not in tiny_task().fields
    assert tiny_task(model=SplitNet(3)).fields["mutual_information"].high == pytest.approx(np.log(3))
