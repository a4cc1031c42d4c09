"""Clients that answer over HTTP without a pause, a server that is killed meanwhile, and what must hold in the end."""

import hashlib
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from annotate.people_run import replay
from slow.harness import outcome, start

Key = tuple[int, int]
_SAID = ("same", "different", "unknown")
_PATIENCE = 300  # seconds without an answer, on a busy machine


def _draw(question: int, revision: int, what: str) -> int:
    return hashlib.sha256(f"{question}/{revision}/{what}".encode()).digest()[0]


def choice(question: int, revision: int) -> str:
    """What is answered: by number alone, so that a killed run and an untouched one hear the same."""
    return ("same", "different", "different", "unknown")[_draw(question, revision, "choice") % 4]


def takes_back(question: int) -> bool:
    """Whether the first answer to a question is taken back, once the next question is there."""
    return _draw(question, 0, "undo") % 6 == 0


@dataclass
class Client:
    """Answers until everything is, and remembers what was acknowledged. It insists, as the page does."""

    address: str
    link: Callable[[], str]
    acknowledged: dict[Key, str] = field(default_factory=dict)
    counted: list[Key] = field(default_factory=list)
    refused: int = 0

    def __post_init__(self) -> None:
        self._http = httpx.Client(base_url=self.address, headers={"Origin": self.address}, timeout=30)

    def run(self) -> None:
        """Until the budget is spent."""
        while self._http.post("/api/enter", json={"token": self.link().partition("#")[2]}).status_code != 204:
            time.sleep(0.1)
        state = self._call("/api/state")
        while state["nothing"] is None or state["nothing"]["reason"] != "done":
            asked, undo = state["asked"], state["undo"]
            if undo is not None and undo["revision"] == 0 and takes_back(undo["question"]):
                state = self._call("/api/undo", {"question": undo["question"], "revision": 0})
            elif asked is None:
                state = self._call("/api/state")
            else:
                state = self._answer(asked["id"], asked["revision"], state)

    def close(self) -> None:
        """Let go of the connection."""
        self._http.close()

    def _answer(self, question: int, revision: int, state: dict[str, Any]) -> dict[str, Any]:
        said = choice(question, revision)
        reply = self._call("/api/answer", {"question": question, "revision": revision, "choice": said})
        if "receipt" not in reply:
            self.refused += 1
            return self._call("/api/state")
        receipt = reply["receipt"]
        assert (receipt["question"], receipt["revision"], receipt["choice"]) == (question, revision, said)
        self.acknowledged[question, revision] = said
        if receipt["counted"]:
            self.counted.append((question, revision))
        return reply

    def _call(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Sends it again until the server says something."""
        while True:
            try:
                reply = self._http.get(path) if body is None else self._http.post(path, json=body)
            except httpx.TransportError:
                time.sleep(0.02)
                continue
            if reply.status_code < 500:
                return reply.json()
            time.sleep(0.02)


class Served:
    """The server of a folder, started again after every kill, always on the same port."""

    def __init__(self, folder: Path, budget: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._command = ["-m", "slow.label_play", str(folder), str(self.port), str(budget)]
        self.link, self.done = "", threading.Event()
        self.printed: list[str] = []
        self.start()

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.process = start(self._command, stdin=subprocess.PIPE)
        ready = threading.Event()
        threading.Thread(target=self._read, args=(self.process, ready), daemon=True).start()
        assert ready.wait(120), "the server printed no link:\n" + "".join(self.printed)

    def _read(self, process: subprocess.Popen[bytes], ready: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                text = line.decode()
                self.printed.append(text)
                if text.startswith("http://"):
                    self.link = text.strip()
                    ready.set()
                elif text.startswith("done"):
                    self.done.set()
        ready.set()

    def end(self) -> None:
        """Let it end by itself."""
        assert self.done.wait(300), "".join(self.printed[-40:])
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(60) == 0, "".join(self.printed[-40:])


def answered(
    folder: Path, budget: int, kills: int, seed: int, told: Callable[[int], None] = lambda n: None, people: int = 1
) -> Client:
    """Let clients answer a run that is killed so many times; what they were told, all together.

    Raises:
        AssertionError: an acknowledged answer is not in the ledger, one is there twice, or the run does not end.
    """
    rng = np.random.default_rng(seed)
    served = Served(folder, budget)
    clients = [Client(f"http://127.0.0.1:{served.port}", lambda: served.link) for _ in range(people)]
    threads = [threading.Thread(target=client.run, daemon=True) for client in clients]
    for thread in threads:
        thread.start()

    def busy() -> bool:
        return any(thread.is_alive() for thread in threads)

    def heard() -> int:
        return sum(len(client.acknowledged) for client in clients)

    number = 0
    while number < kills and busy():
        # By progress and not by time: kills lie all along the run, and anywhere between two answers.
        until = heard() + int(rng.integers(1, max(2, 2 * budget // (kills + 1))))
        while busy() and heard() < min(until, budget - 1):
            assert served.process.poll() is None, _tail(served)
            time.sleep(0.001)
        time.sleep(rng.uniform(0.0, 0.05))
        _kill(served.process)
        number += 1
        told(number)
        served.start()
    last, since = heard(), time.monotonic()
    while busy():
        time.sleep(0.05)
        if heard() > last:
            last, since = heard(), time.monotonic()
        assert time.monotonic() - since < _PATIENCE, f"nothing was answered for {_PATIENCE} s:\n" + _tail(served)
    for client in clients:
        client.close()
    served.end()
    for client in clients[1:]:
        clients[0].acknowledged |= client.acknowledged
        clients[0].counted += client.counted
        clients[0].refused += client.refused
    check(folder, clients[0])
    return clients[0]


def replayed(folder: Path, budget: int) -> dict[str, Any]:
    """What a run comes to that is played from the beginning with the questions and answers of another; see ended()."""
    again = replay(folder)
    Served(again, budget).end()
    return ended(again)


def _tail(served: Served) -> str:
    return "".join(served.printed[-40:])


def _kill(process: subprocess.Popen[bytes]) -> None:
    """``kill -9`` to the whole process group; what it prints is read, and closed, elsewhere."""
    assert process.stdin is not None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()


def check(folder: Path, client: Client) -> None:
    """Every acknowledged answer is in the ledger, once, and nothing else is; each was counted at most once."""
    db = sqlite3.connect(folder / "ledger.sqlite")
    rows = list(db.execute("SELECT question, revision, blob FROM answers ORDER BY id"))
    db.close()
    assert len({row[:2] for row in rows}) == len(rows)
    values = {said: {blob for q, r, blob in rows if client.acknowledged.get((q, r)) == said} for said in _SAID}
    assert {row[:2] for row in rows} == client.acknowledged.keys()
    assert all(len(blobs) <= 1 for blobs in values.values()), "one choice was kept as different answers"
    assert values["unknown"] <= {None}
    assert not values["same"] & values["different"]
    assert len(client.counted) == len(set(client.counted))


def ended(folder: Path) -> dict[str, Any]:
    """What a run came to, but for what depends on when it was stopped."""
    found = outcome(folder)
    found["closings"] = [[step, digest] for step, digest, _ in found["closings"]]
    return found
