import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from querist.core.capabilities import CountsAnswers, DrawsPictures, Embeds, EmbedsSources, KnowsTruth, LocatesUnits
from querist.core.pool import PairPool
from querist.errors import QueristError
from querist.nn.optimiser import Optimiser
from querist.nn.weights import save_model
from querist.tasks.reid.listing import UNKNOWN
from querist.tasks.reid.metric import retrieval
from querist.tasks.reid.pictures import pair_picture
from querist.tasks.reid.task import subjects
from tiny_people import GIVEN, TinyEmbedder, about, tiny_people, tiny_schedule, tiny_task

OLD = [(12, 13), (13, 14), (12, 16), (16, 17), (12, 20)]
NEW = [(18, 14), (20, 21)]
QUERY, GALLERY = np.arange(24, 30), np.arange(30, 36)
SETTINGS = [(0.0, False), (0.5, False), (0.5, True)]


def rng(seed=0):
    return np.random.default_rng(seed)


def start(task, seed=0, steps=3):
    labels = about(task, [], GIVEN)
    return task.fit(labels, new=labels, steps=steps, phase="start", rng=rng(seed))


def step(task, pairs, new, seed=1, steps=2):
    return task.fit(about(task, pairs, GIVEN), new=about(task, new), steps=steps, phase="step", rng=rng(seed))


def same(a, b):
    return a.keys() == b.keys() and all(a[n].dtype == b[n].dtype and np.array_equal(a[n], b[n]) for n in a)


def vectors(task, sources):
    """The model called by hand, one image at a time, in eval mode."""
    found = []
    for source in sources:
        image = (task.data.image(source) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        with torch.no_grad():
            v = task.model.eval()(torch.from_numpy(image.transpose(2, 0, 1)[None]).float())[0].double().numpy()
        found.append(v / np.linalg.norm(v))
    return np.array(found)


@pytest.mark.parametrize(("replay", "closure"), SETTINGS)
def test_the_same_stream_gives_the_same_bits(replay, closure):
    snapshots = []
    for seed in (0, 0, 7):
        task = tiny_task(schedule=tiny_schedule(replay, closure))
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
    resumed = tiny_task(model=TinyEmbedder())  # other weights, until it is restored
    resumed.restore(kept)
    assert same(resumed.snapshot(), kept)
    resumed.embed_sources(np.array([3, 1]))  # looking changes nothing
    step(resumed, OLD + NEW, NEW, seed=2)
    assert same(resumed.snapshot(), whole)
    # The moments of the optimiser are part of it: without them the same step ends elsewhere.
    moments = [name for name in kept if "exp_avg" in name]
    resumed.restore(kept | {name: np.zeros_like(kept[name]) for name in moments})
    step(resumed, OLD + NEW, NEW, seed=2)
    assert moments
    assert not same(resumed.snapshot(), whole)


def test_a_final_training_does_not_touch_the_trajectory():
    task = tiny_task()
    start(task)
    first = task.snapshot()
    step(task, OLD, OLD)
    trajectory = task.snapshot()
    task.restore(first)
    labels = about(task, OLD, GIVEN)
    task.fit(labels, new=labels, steps=3, phase="final", rng=rng(3))
    task.restore(trajectory)
    step(task, OLD + NEW, NEW, seed=2)
    resumed = tiny_task()
    resumed.restore(trajectory)
    step(resumed, OLD + NEW, NEW, seed=2)
    assert same(task.snapshot(), resumed.snapshot())


@pytest.mark.parametrize("phase", ["start", "step", "final"])
@pytest.mark.parametrize(("replay", "closure"), SETTINGS)
def test_who_is_seen_has_no_influence_unless_it_was_given_or_answered(phase, replay, closure):
    """Two data sets that agree only on given people and on the answers train to the same bits."""
    plain = tiny_people()
    renamed = plain.persons.copy()
    renamed[12:] = 50 + np.arange(len(renamed) - 12)
    answers = None
    tasks = [tiny_task(replace(plain, persons=p), tiny_schedule(replay, closure)) for p in (plain.persons, renamed)]
    for task in tasks:
        answers = answers or (about(task, OLD + NEW, GIVEN), about(task, NEW))
        task.fit(answers[0], new=answers[1], steps=3, phase=phase, rng=rng())
    assert same(tasks[0].snapshot(), tasks[1].snapshot())
    assert tasks[0].evaluate(np.arange(24, 36)).value > 0


def test_images_to_be_tested_on_have_no_influence():
    plain = tiny_people()
    other = plain.images[0].copy()
    other[24:] = 255 - other[24:]
    tasks = [tiny_task(replace(plain, images=(images,))) for images in (plain.images[0], other)]
    for task in tasks:
        start(task)
        step(task, OLD, OLD)
    assert same(tasks[0].snapshot(), tasks[1].snapshot())


def test_nothing_to_learn_from_changes_nothing():
    task = tiny_task()
    before, version = task.snapshot(), task.embedding_version
    nothing = about(task, [])
    assert task.fit(nothing, new=nothing, steps=5, phase="step", rng=rng()) == {}
    assert start(task, steps=0) == {}
    lone = about(task, [(12, 13)])  # one match, and nobody to tell it from
    assert task.fit(lone, new=lone, steps=5, phase="step", rng=rng()) == {"contradictions": 0.0}
    assert same(task.snapshot(), before)
    assert task.embedding_version == version


def test_training_learns_and_leaves_the_model_in_eval_mode():
    task = tiny_task()
    log = start(task, steps=40)
    assert not task.model.training
    assert set(log) == {"loss", "active"}
    again = start(task, steps=40)
    assert again["loss"] < log["loss"]
    persons, found = task.data.persons[GIVEN], task.embed_sources(np.array(GIVEN))
    closeness = found @ found.T
    np.fill_diagonal(closeness, -1)
    assert (persons[closeness.argmax(axis=1)] == persons).all()


@pytest.mark.parametrize("closure", [False, True])
def test_answers_bring_the_same_together_and_the_others_apart(closure):
    task = tiny_task(schedule=tiny_schedule(0.0, closure))
    pairs = OLD + NEW
    units = about(task, pairs).units
    alike = np.array([bool(answer) for answer in task.truth(units)])
    before = task.describe(units, ("similarity",), rng())["similarity"]
    step(task, pairs, pairs, steps=30)
    after = task.describe(units, ("similarity",), rng())["similarity"]
    assert after[alike].min() - after[~alike].max() > before[alike].min() - before[~alike].max()


def test_contradictions_are_counted():
    task = tiny_task()
    labels = about(task, [(12, 13), (13, 14), (12, 14), (12, 20)])
    lying = replace(labels, answers=(*labels.answers[:2], np.array(False), labels.answers[3]))
    assert task.fit(lying, new=lying, steps=1, phase="step", rng=rng())["contradictions"] == 1.0


def test_a_loss_that_explodes_is_said():
    schedule = tiny_schedule()
    task = tiny_task(schedule=replace(schedule, start=replace(schedule.start, optimiser=Optimiser("sgd", 1e30))))
    with pytest.raises(QueristError, match="start training"):
        start(task, steps=4)


def test_embeddings_are_those_of_the_model_in_the_order_asked_for():
    task = tiny_task()
    start(task)
    sources = np.array([5, 30, 0, 7, 7, 29, 1, 2, 3, 4, 35])
    found = task.embed_sources(sources)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, vectors(task, sources), atol=1e-5)
    np.testing.assert_array_equal(found, task.embed_sources(sources))
    assert len(task.embed_sources(sources[:0])) == 0
    batches = list(task.predict(sources))
    np.testing.assert_array_equal(np.concatenate([s for s, _ in batches]), sources)
    np.testing.assert_array_equal(np.concatenate([v for _, v in batches]), found)


def test_the_version_grows_whenever_vectors_may_have_changed(tmp_path):
    task = tiny_task()
    seen = [task.embedding_version]
    start(task)
    seen.append(task.embedding_version)
    task.restore(task.snapshot())
    seen.append(task.embedding_version)
    task.save(tmp_path / "model.safetensors")
    task.load(tmp_path / "model.safetensors")
    seen.append(task.embedding_version)
    assert seen == sorted(set(seen))
    task.embed_sources(np.arange(3))
    task.evaluate(np.arange(24, 36))
    assert task.embedding_version == seen[-1]


def test_what_is_said_of_pairs():
    data = tiny_people()
    cameras = data.cameras.copy()
    cameras[4] = -2
    task = tiny_task(replace(data, cameras=cameras))
    pairs = [(0, 2), (3, 0), (4, 1), (0, 12)]
    found = task.describe(about(task, pairs).units, ("similarity", "other_camera"), rng())
    v = vectors(task, range(13))
    np.testing.assert_allclose(found["similarity"], [v[a] @ v[b] for a, b in pairs], atol=1e-5)
    assert found["other_camera"].tolist() == [0, 1, 0, 0]  # camera 0, 0; 1, 0; unknown; 0, 0
    assert {f.dtype for f in found.values()} == {np.dtype(np.float32)}
    assert set(found) == set(task.fields)
    empty = task.describe(np.zeros(0, dtype=np.int64), ("similarity",), rng())
    assert empty["similarity"].shape == (0,)


def test_the_metric_is_that_of_queries_over_the_rest():
    task = tiny_task(tiny_people(extra=True))
    start(task)
    gallery = np.append(GALLERY, [36, 37])  # a distractor and junk
    found = task.evaluate(np.concatenate([gallery, QUERY]))
    persons, cameras = task.data.persons, task.data.cameras
    expected = retrieval(
        QUERY, vectors(task, QUERY), vectors(task, gallery), persons[QUERY], persons[gallery],
        cameras[QUERY], cameras[gallery],
    )  # fmt: skip
    np.testing.assert_array_equal(found.sources, QUERY)
    np.testing.assert_allclose(found.statistics, expected.statistics)
    assert len(found.part_values) == len(task.parts)
    for sources in (QUERY, GALLERY, []):
        with pytest.raises(QueristError, match=r"queries and .* other images"):
            task.evaluate(np.array(sources, dtype=np.int64))


def test_truth_and_subjects():
    data = tiny_people(extra=True)
    task = tiny_task(data)
    units = task.pairs.pair(np.array([0, 0, 36]), np.array([3, 4, 37]))
    truth = task.truth(units)
    assert [answer.tolist() for answer in truth] == [True, False, False]
    assert {(answer.dtype, answer.shape) for answer in truth} == {(np.dtype(bool), ())}
    alone = subjects(np.array([3, 0, -1, 3, 0, -2, -2, -1]))
    assert len(np.unique(alone)) == 7
    assert alone[0] == alone[3]
    np.testing.assert_array_equal(task.pool.source_subjects[:36], data.persons[:36])
    hidden = tiny_task(replace(data, persons=np.full(len(data), -2)))
    with pytest.raises(QueristError, match="nobody knows who train/000 shows"):
        hidden.truth(units)


def test_junk_matches_nobody():
    data = tiny_people(extra=True)
    twice = replace(data, persons=np.where(data.persons == 0, -1, data.persons))
    task = tiny_task(twice)
    assert task.truth(task.pairs.pair(np.array([36]), np.array([37])))[0].tolist() is False


def test_pairs_are_located_and_drawn(tmp_path):
    data = tiny_people()
    task = tiny_task(data)
    units = about(task, OLD).units
    assert task.locate(units[:1]) == [{"image": "train/012", "other": "train/013"}]
    paths = tuple(tmp_path / f"{i}.png" for i in range(len(data)))
    on_disk = tiny_task(replace(data, paths=paths))
    assert on_disk.locate(units[:1]) == [{"image": str(paths[12]), "other": str(paths[13])}]
    framed = Image.open(io.BytesIO(pair_picture(data, task.pairs.sources(units[:3]), [np.True_, np.False_, None])))
    width = (framed.size[0] + 4) // 3  # three tiles and the gaps between them
    colours = [framed.getpixel((width * i + 2, 100)) for i in range(3)]
    assert [int(np.argmax(c)) for c in colours[:2]] == [1, 0]  # green, red
    assert max(colours[2]) - min(colours[2]) < 20
    assert Image.open(io.BytesIO(task.picture(units[:0]))).size == (1, 1)
    who = data.persons.copy()
    who[24] = UNKNOWN
    half = tiny_task(replace(data, persons=who))
    pairs = half.pairs.pair(np.array([12, 12, 12]), np.array([13, 30, 24]))
    sheet = Image.open(io.BytesIO(half.picture(pairs)))
    assert sheet.size == framed.size
    found = [sheet.getpixel((width * i + 2, 100)) for i in range(3)]
    assert np.abs(np.array(found) - np.array(colours)).max() < 20


def test_it_can_what_it_says():
    task = tiny_task()
    for capability in (KnowsTruth, LocatesUnits, DrawsPictures, EmbedsSources):
        assert task.can(capability)
    assert not task.can(Embeds)
    assert not task.can(CountsAnswers)
    assert isinstance(task.pool, PairPool)


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    task = tiny_task()
    save_model(TinyEmbedder(4), tmp_path / "other.safetensors")
    with pytest.raises(QueristError, match="cannot be loaded into the model"):
        task.load(tmp_path / "other.safetensors")
    with pytest.raises(QueristError, match="snapshot does not fit"):
        task.restore(tiny_task(model=TinyEmbedder(4)).snapshot())
