import pytest

from annotate.client import HOST

HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin",
}


@pytest.mark.parametrize("path", ["/", "/main.js", "/api/state", "/picture/1/crop-1", "/nothing"])
@pytest.mark.parametrize("host", [HOST, "evil.example"])
def test_every_reply_has_the_headers(world, path, host):
    reply = world.browser().get(path, Host=host)
    for name, value in HEADERS.items():
        assert reply.headers[name] == value
    policy = dict(part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in reply.headers["content-security-policy"]


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:9", "127.0.0.1:8765.evil.example", ""]
)
def test_another_name_for_this_machine_is_refused(world, host):
    """DNS rebinding: the browser believes to talk to evil.example and sends that as the host."""
    browser = world.browser()
    for path in ("/", "/api/state", "/picture/1/crop-1"):
        assert browser.get(path, Host=host).status_code == 421
    body = {"question": 1, "revision": 0, "choice": "same"}
    assert browser.post("/api/answer", body, Host=host, Origin=f"http://{host}").status_code == 421
    assert world.desk.ledger == []


def test_two_hosts_are_one_too_many(world):
    headers = [("Host", HOST), ("Host", "evil.example")]
    assert world.browser().request("GET", "/api/state", headers=headers).status_code == 421


def test_the_host_is_matched_in_any_case(world):
    assert world.stranger().get("/", Host="127.0.0.1:8765".upper()).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:9999", "http://127.0.0.1", "", f"ftp://{HOST}"]
)
@pytest.mark.parametrize("path", ["/api/answer", "/api/undo", "/api/enter"])
def test_posts_from_elsewhere_are_refused(world, origin, path):
    reply = world.browser().post(path, {"question": 1, "revision": 0, "choice": "same"}, Origin=origin)
    assert reply.status_code == 403
    assert world.desk.ledger == []


def test_a_post_without_an_origin_is_refused(world):
    reply = world.browser().request("POST", "/api/answer", json={"question": 1, "revision": 0, "choice": "same"})
    assert reply.status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_may_link_here_but_read_nothing(world, site):
    browser = world.browser()
    assert browser.get("/", **{"Sec-Fetch-Site": site}).status_code == 200
    assert browser.get("/api/state", **{"Sec-Fetch-Site": site}).status_code == 403
    assert browser.get("/picture/1/crop-1", **{"Sec-Fetch-Site": site}).status_code == 403
    assert browser.get("/api/state", Origin="http://evil.example").status_code == 403
    assert browser.get("/api/state", **{"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_large_bodies_are_refused_before_they_are_read(world):
    browser = world.browser()
    headers = {"Origin": f"http://{HOST}", "Content-Type": "application/json"}
    reply = browser.request("POST", "/api/answer", content=b" " * 5000, headers=headers)
    assert reply.status_code == 413

    async def endless():
        for _ in range(10):
            yield b" " * 1000
        raise AssertionError("was read to the end")

    assert browser.request("POST", "/api/answer", content=endless(), headers=headers).status_code == 413


@pytest.mark.parametrize("length", ["99999", "9" * 5000, "-1", "1e3", "²"])
def test_lengths_that_are_none_are_refused(world, length):
    raw = [("Origin", f"http://{HOST}"), ("Content-Type", "application/json"), ("Content-Length", length.encode())]
    assert world.browser().request("POST", "/api/answer", content=b"", headers=raw).status_code == 413


def test_only_http(world, runner):
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "websocket.connect"}

    runner.run(world.app({"type": "websocket", "path": "/", "headers": []}, receive, send))
    assert sent == []
