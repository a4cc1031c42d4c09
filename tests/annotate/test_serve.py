import socket
import threading
from contextlib import contextmanager

import httpx
import pytest

from annotate.scripted import ScriptedDesk, scripted
from querist.annotate.serve import Address, Server
from querist.errors import QueristError


@contextmanager
def running(**more):
    links = []
    address = Address(**more)
    server = Server(ScriptedDesk(scripted(3)), address, told=links.append)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield address, links
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_a_link_leads_to_a_question():
    with running() as (address, links):
        base, _, token = links[0].partition("/#")
        assert base == f"http://127.0.0.1:{address.port}"
        with httpx.Client(base_url=base, headers={"Origin": base}) as browser:
            assert browser.get("/").status_code == 200
            assert browser.post("/api/enter", json={"token": token}).status_code == 204
            reply = browser.get("/api/state")
            assert reply.json()["asked"]["id"] == 1
            assert "server" not in reply.headers
            other = f"http://localhost:{address.port}"
            assert httpx.get(other + "/api/state").status_code == 401
            assert httpx.get(base, headers={"Host": "evil.example"}).status_code == 421
        assert len(links) == 2  # one for the next browser
        assert token not in links[1]


def test_it_listens_on_this_machine_alone():
    address = Address()
    assert address.socket.getsockname()[0] == "127.0.0.1"
    address.close()


def test_everywhere_needs_a_name():
    for host in ("0.0.0.0", "::", ""):
        with pytest.raises(QueristError, match="no name that a browser could call"):
            Address(host)
    told, address = [], Address("0.0.0.0", names=["labels.example"])
    Server(ScriptedDesk([]), address, told=told.append)
    assert told[0].startswith(f"http://labels.example:{address.port}/#")
    address.close()


@pytest.mark.parametrize("name", ["https://labels.example", "https://labels.example:8443/"])
def test_behind_a_proxy_that_speaks_tls(name):
    with running(names=[name]) as (address, links):
        public = name.rstrip("/")
        base, _, token = links[0].partition("/#")
        assert base == public
        inside = f"http://127.0.0.1:{address.port}"
        for host in (
            public.removeprefix("https://"),
            f"127.0.0.1:{address.port}",
        ):  # proxies keep it, or not
            with httpx.Client(base_url=inside, headers={"Host": host, "Origin": public}) as browser:
                token = links[-1].partition("/#")[2]
                reply = browser.post("/api/enter", json={"token": token})
                assert reply.status_code == 204
                cookie = reply.headers["set-cookie"]
                assert "Secure" in cookie
                kept = {"Cookie": cookie.partition(";")[0]}
                assert browser.get("/api/state", headers=kept).json()["asked"]["id"] in (1, 2)
                other = {"Origin": public.replace("https", "http")}
                assert browser.post("/api/enter", json={"token": token}, headers=other).status_code == 403
        with httpx.Client(base_url=inside, headers={"Origin": inside}) as browser:
            reply = browser.post("/api/enter", json={"token": links[-1].partition("/#")[2]})
            assert "Secure" not in reply.headers["set-cookie"]


@pytest.mark.parametrize("name", ["http://labels.example", "https://", "https://labels.example/page", "ftp://x"])
def test_what_is_no_proxy(name):
    with pytest.raises(QueristError, match="not the address of a proxy"):
        Address(names=[name])


def test_a_taken_port_is_an_error_that_says_so():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(QueristError, match=f"port {port}"):
            Address(port=port)


@pytest.mark.parametrize("port", [-1, 70000])
def test_a_port_that_is_none(port):
    with pytest.raises(QueristError, match="cannot listen"):
        Address(port=port)
