from pathlib import Path

from querist.nn.cache import default_cache


def test_default_cache_follows_the_environment(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("QUERIST_CACHE", raising=False)
    assert default_cache() == Path("/home/someone/.cache/querist")
    monkeypatch.setenv("XDG_CACHE_HOME", "/shared")
    assert default_cache() == Path("/shared/querist")
    monkeypatch.setenv("QUERIST_CACHE", "~/own")
    assert default_cache() == Path("/home/someone/own")
