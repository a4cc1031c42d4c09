import stat

import pytest

from querist.annotate.gate import Gate, kept_secret

TOKEN, SECRET = "t" * 24, b"s" * 32


def test_a_token_works_once():
    gate = Gate(TOKEN, SECRET)
    assert gate.enter("t" * 23 + "u") is None
    cookie = gate.enter(TOKEN)
    assert gate.browser(cookie) == cookie.partition(".")[0]
    assert gate.enter(TOKEN) is None


def test_the_next_browser_gets_a_token_of_its_own():
    told = []
    gate = Gate(TOKEN, SECRET, told.append)
    first = gate.enter(TOKEN)
    assert len(told) == 1
    assert told[0] != TOKEN
    second = gate.enter(told[0])
    assert len(told) == 2
    assert gate.browser(first) != gate.browser(second)
    assert None not in (gate.browser(first), gate.browser(second))


@pytest.mark.parametrize("forged", [None, "", ".", "abc", "abc.", "abc." + "0" * 64, "é.é", "\ud800.\ud800"])
def test_a_cookie_cannot_be_made_up(forged):
    assert Gate(TOKEN, SECRET).browser(forged) is None


def test_a_signature_is_of_one_browser_and_one_run():
    gate, other = Gate(TOKEN, SECRET), Gate(TOKEN, b"o" * 32)
    name, _, signature = gate.enter(TOKEN).partition(".")
    assert gate.browser(f"{name}x.{signature}") is None
    assert gate.browser(f"{name}.{signature[:-1]}") is None
    assert other.browser(f"{name}.{signature}") is None
    assert gate.cookie != other.cookie  # two runs on one machine do not sign each other out


def test_a_cookie_outlives_the_server():
    cookie = Gate(TOKEN, SECRET).enter(TOKEN)
    assert Gate("u" * 24, SECRET).browser(cookie) is not None


def test_comparison_takes_the_same_time_wherever_texts_differ(monkeypatch):
    """Not timed: the comparison must be the library's constant-time one."""
    seen = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: seen.append((a, b)) or a == b)
    gate = Gate(TOKEN, SECRET)
    gate.enter("wrong")
    gate.browser("name.signature")
    assert [b"wrong" in pair for pair in seen] == [True, False]
    assert seen[1][0] == b"signature"


@pytest.mark.parametrize(("token", "secret"), [("short", SECRET), (TOKEN, b"short")])
def test_what_can_be_guessed_is_an_error(token, secret):
    with pytest.raises(ValueError, match="guessed"):
        Gate(token, secret)


def test_a_secret_is_kept_for_its_owner_alone(tmp_path):
    path = tmp_path / "secret"
    made = kept_secret(path)
    assert len(made) == 32
    assert kept_secret(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_bytes(b"")  # killed before it wrote
    assert len(kept_secret(path)) == 32
