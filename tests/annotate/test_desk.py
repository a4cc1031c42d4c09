import pytest

from annotate.scripted import CHOICES
from querist.annotate.desk import Asked, Choice, DeskError, Image, Neighbour, Picture, UnreadyError, check_name
from querist.errors import QueristError


@pytest.mark.parametrize("name", ["../etc/passwd", "a/b", "", ".hidden", "a b", "a\x00", "a\\b", "x" * 129, "é", "a\n"])
def test_no_path_can_name_a_picture(name):
    with pytest.raises(ValueError, match="cannot name a picture"):
        check_name(name)
    with pytest.raises(ValueError, match="cannot name a picture"):
        Picture(name, "alt")
    with pytest.raises(ValueError, match="cannot name a picture"):
        Neighbour(name, "alt")


@pytest.mark.parametrize("name", ["0002_c1s1_000551", "a1f09c.small@2x", "x" * 128, "a..b"])
def test_plain_names_can(name):
    assert check_name(name) == name


def test_a_question_needs_choices_that_differ():
    with pytest.raises(ValueError, match="question 3 has no choices"):
        Asked(3, "?", (), ())
    with pytest.raises(ValueError, match="more than one choice is called s"):
        Asked(3, "?", (Choice("s", "Same", "same"), Choice("S", "So", "so")), ())
    with pytest.raises(ValueError, match="more than one choice is called same"):
        Asked(3, "?", (Choice("s", "Same", "same"), Choice("t", "So", "same")), ())
    with pytest.raises(ValueError, match="more than one picture is called a"):
        Asked(3, "?", CHOICES, (Picture("a", "one"), Picture("a", "two")))


def test_only_pictures_are_pictures():
    with pytest.raises(ValueError, match="no image/png"):
        Image(b"\xff\xd8\xff\xe0", "image/png")
    with pytest.raises(ValueError, match="JPEG or PNG"):
        Image(b"<svg onload='alert(1)'/>", "image/svg+xml")
    assert Image(b"\xff\xd8\xff\xe0", "image/jpeg").media_type == "image/jpeg"


def test_refusals_say_what_to_do():
    assert issubclass(DeskError, QueristError)
    assert UnreadyError("not yet", "send it again").fix == "send it again"
