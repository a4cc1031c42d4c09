import inspect

import numpy as np

from querist.agents.matal import learner
from querist.agents.matal.agent import AGENT
from querist.agents.matal.partition import partitioned
from querist.agents.matal.team import choose
from querist.core.pool import ColumnarPool
from querist.core.split import Role
from toy_poses import ToyPoses, poses_split, poses_stage
from toy_team import CHANGES, a_card, deployed


def shared_subjects():
    """Sixty images of nine subjects, which are in the pool and in the starting set."""
    images, task = np.arange(60), ToyPoses()
    subjects = np.where(images < 54, images**2 % 13, 20 + images)  # 0 to 12 in uneven shares; the test set's own
    task.pool = ColumnarPool([f"i{i:04d}" for i in images], subjects=subjects)
    return task


def counts(subjects, images):
    return {s: int((subjects[images] == s).sum()) for s in np.unique(subjects)}


def test_a_deployment_asks_about_subjects_with_the_fewest_labels(tmp_path):
    """While two subjects have fewer labels, those of the start counted, nobody else is asked about."""
    card, task = a_card(tmp_path / "games", changes={"hand": 2}), shared_subjects()
    asked, _ = deployed(tmp_path / "run", card, task)
    subjects, free = task.pool.source_subjects, set(poses_split().sources(Role.POOL).tolist())
    known = counts(subjects, poses_split().sources(Role.START))
    assert len({known[subjects[i]] for i in free}) > 2
    for image in asked:
        fewer = {subjects[i] for i in free if known[subjects[i]] < known[subjects[image]]}
        assert len(fewer) < 2
        free.remove(image)
        known[subjects[image]] += 1


def test_games_deal_by_subjects_and_count_what_they_begin_with(tmp_path, monkeypatch):
    seen = []

    def noted(*given, **named):
        seen.append(inspect.signature(choose).bind(*given, **named).arguments["shown"])
        return choose(*given, **named)

    monkeypatch.setattr(learner, "choose", noted)
    task = shared_subjects()
    stage = poses_stage(tmp_path / "games", partitioned, task)
    AGENT.train("sound", CHANGES["sound"] | {"hand": 2}, stage, 1)
    subjects = task.pool.source_subjects
    begun = [counts(subjects, scene.inner.sources(Role.START)) for scene in stage.scenes]
    firsts = seen[:: CHANGES["sound"]["steps"]]
    assert firsts
    for shown in firsts:
        named = np.unique(subjects)[shown.subjects]
        assert any([begin[s] for s in named] == shown.labels.tolist() for begin in begun)
    assert max(max(shown.labels) for shown in firsts) > 1
