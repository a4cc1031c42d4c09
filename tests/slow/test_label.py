import pytest

from slow.harness import SAMPLE
from slow.label_harness import answered, ended, takes_back

pytestmark = pytest.mark.slow


def test_killed_while_answers_stream_in_nothing_is_lost_and_nothing_counts_twice(tmp_path):
    budget, kills = (60, 2) if SAMPLE else (200, 5)
    whole = answered(tmp_path / "whole", budget, 0, seed=0)
    assert len({question for question, _ in whole.acknowledged}) == budget
    assert len(whole.counted) == len(whole.acknowledged) > budget  # some were taken back
    assert all(takes_back(question) for question, revision in whole.acknowledged if revision)
    cut = answered(tmp_path / "cut", budget, kills, seed=1)
    assert cut.acknowledged == whole.acknowledged
    assert ended(tmp_path / "cut") == ended(tmp_path / "whole")
