"""A browser without a screen: requests straight into the application, one event loop for all."""

import asyncio

import httpx

HOST = "127.0.0.1:8765"
TOKEN = "a-token-for-the-first"


class Client:
    """Keeps its cookies; browsers of one application share a ``runner``."""

    def __init__(self, app, runner=None, enter=None):
        self.runner = runner or asyncio.Runner()
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{HOST}")
        if enter is not None:
            reply = self.post("/api/enter", {"token": enter})
            assert reply.status_code == 204, reply.text

    def request(self, method, path, **more):
        return self.runner.run(self.http.request(method, path, **more))

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def post(self, path, content, **headers):
        return self.request("POST", path, json=content, headers={"Origin": f"http://{HOST}"} | headers)

    def state(self):
        reply = self.get("/api/state")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def answer(self, question, choice, revision=0):
        return self.post("/api/answer", {"question": question, "revision": revision, "choice": choice})

    def undo(self, question, revision=0):
        return self.post("/api/undo", {"question": question, "revision": revision})
