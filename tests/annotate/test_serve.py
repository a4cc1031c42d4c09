import socket
import threading
from contextlib import contextmanager

import httpx
import pytest

from annotate.scripted import ScriptedDesk, scripted
from querist.annotate.serve import Server
from querist.errors import QueristError


@contextmanager
def running(**more):
    links = []
    server = Server(ScriptedDesk(scripted(3)), told=links.append, **more)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield server, links
    finally:
        server.stop()
        thread.join(10)
        assert not thread.is_alive()


def test_a_link_leads_to_a_question():
    with running() as (server, links):
        address, _, token = links[0].partition("/#")
        assert address == f"http://127.0.0.1:{server.port}"
        with httpx.Client(base_url=address, headers={"Origin": address}) as browser:
            assert browser.get("/").status_code == 200
            assert browser.post("/api/enter", json={"token": token}).status_code == 204
            reply = browser.get("/api/state")
            assert reply.json()["asked"]["id"] == 1
            assert "server" not in reply.headers
            other = f"http://localhost:{server.port}"
            assert httpx.get(other + "/api/state").status_code == 401
            assert httpx.get(address, headers={"Host": "evil.example"}).status_code == 421
        assert len(links) == 2  # one for the next browser
        assert token not in links[1]


def test_it_listens_on_this_machine_alone():
    server = Server(ScriptedDesk([]), told=lambda link: None)
    assert server._socket.getsockname()[0] == "127.0.0.1"
    server._socket.close()


def test_everywhere_needs_a_name():
    for host in ("0.0.0.0", "::", ""):
        with pytest.raises(QueristError, match="no name that a browser could call"):
            Server(ScriptedDesk([]), host=host)
    told = []
    server = Server(ScriptedDesk([]), host="0.0.0.0", names=["labels.example"], told=told.append)
    assert told[0].startswith(f"http://labels.example:{server.port}/#")
    server._socket.close()


def test_a_taken_port_is_an_error_that_says_so():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(QueristError, match=f"port {port}"):
            Server(ScriptedDesk([]), port=port)


@pytest.mark.parametrize("port", [-1, 70000])
def test_a_port_that_is_none(port):
    with pytest.raises(QueristError, match="cannot listen"):
        Server(ScriptedDesk([]), port=port)
