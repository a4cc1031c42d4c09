import pytest

from querist.errors import QueristError
from querist.pairs.settings import PairSettings


@pytest.mark.parametrize("wrong", [{"neighbours": 0}, {"mutual": 0}, {"per_anchor": -1}, {"shells": 0}])
def test_there_is_somebody_to_ask_about(wrong):
    with pytest.raises(QueristError, match="at least 1"):
        PairSettings(**wrong)


@pytest.mark.parametrize("shrinkage", [-0.1, 1.01, float("nan")])
def test_shrinkage_is_a_share(shrinkage):
    with pytest.raises(QueristError, match=r"shrinkage is in \[0, 1\]"):
        PairSettings(shrinkage=shrinkage)
