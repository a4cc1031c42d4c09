import pytest

from slow.harness import SAMPLE
from slow.label_harness import answered, ended, replayed, takes_back

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


def test_killed_while_three_people_answer_at_once_the_ledger_tells_how_it_ended(tmp_path):
    budget, kills = (60, 2) if SAMPLE else (200, 5)
    heard = answered(tmp_path / "run", budget, kills, seed=2, people=3)
    assert len({question for question, _ in heard.acknowledged}) == budget
    found = ended(tmp_path / "run")
    assert sum("after" in details for _, details in found["steps"]) > budget // 4  # they were open side by side
    assert replayed(tmp_path / "run", budget) == found
