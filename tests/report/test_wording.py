import pytest

from querist.report.wording import NONE, Scale, count, interval, listed, number, p_value, plural, signed


@pytest.mark.parametrize(
    ("value", "digits", "shown"),
    [(1234.5, 1, "1,234.5"), (-0.4, 2, "−0.40"), (-0.001, 2, "0.00"), (0, 2, "0.00"), (None, 2, NONE)],
)
def test_number(value, digits, shown):
    assert number(value, digits) == shown


@pytest.mark.parametrize(("value", "shown"), [(2.314, "+2.31"), (-2.0, "−2.00"), (0.001, "0.00"), (None, NONE)])
def test_signed(value, shown):
    assert signed(value) == shown


@pytest.mark.parametrize(
    ("p", "shown"), [(0.0078125, "0.0078"), (0.0625, "0.062"), (0.25, "0.25"), (1.0, "1.00"), (None, NONE)]
)
def test_p_value(p, shown):
    assert p_value(p) == shown


def test_interval_with_open_ends():
    assert interval([1.2, 3.4]) == "1.20 to 3.40"
    assert interval([None, 3.4]) == "… to 3.40"
    assert interval([None, None]) == NONE


def test_words():
    assert (count(6168), count(None)) == ("6,168", NONE)
    assert (plural(1, "seed"), plural(8, "seed"), plural(3, "policy")) == ("1 seed", "8 seeds", "3 policies")
    assert (listed(["a"]), listed(["a", "b", "c"])) == ("a", "a, b and c")


@pytest.mark.parametrize(("size", "digits"), [(55.0, 2), (5.5, 2), (0.55, 4), (0.055, 5), (0.0, 2)])
def test_scale_shows_hundredths_of_the_usual_size(size, digits):
    summary = {"metric": {"unit": "%"}, "start": None, "full_supervision": None}
    scale = Scale.of(summary | {"strategies": {"random": {"aubc": {"0": size}}}})
    assert (scale.unit, scale.digits) == ("points", digits)
