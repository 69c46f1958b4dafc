"""A library for tests of the host: one text file of turns, and orders in the texts that it is given.

print    prints on stdout          fail     raises an error
die      ends its process          hang     sleeps for a minute
child    starts a process          log      logs an error and goes on
call     asks the model            embed    embeds the text
swallow  asks the model, and goes on if it fails
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import URLError

LIBRARY = "pytest"


class Worker:
    def open(self, given: dict[str, Any]) -> None:
        self.given = given
        self.file = Path(given["folder"]) / "memory.jsonl"
        if given["settings"].get("open") == "fail" or self.file.with_name("broken").exists():
            raise RuntimeError("no such memory")

    async def learn(self, turn: dict[str, Any], again: bool) -> dict[str, Any]:
        text = turn["text"]
        if not again or "always" in text:
            await self.obey(text)
        with self.file.open("a") as file:
            file.write(
                json.dumps({"id": turn["id"], "line": turn["line"], "again": again, "time": turn["time"]}) + "\n"
            )
        return {"operations": {"add": 1}}

    def memories(self) -> dict[str, Any]:
        return {"items": [self.item(at, row) for at, row in enumerate(self.rows())]}

    def search(self, query: str, limit: int) -> dict[str, Any]:
        if "fail" in query:
            raise ValueError("can't search that")
        if "embed" in query:
            self.post("embeddings", {"input": [query], "model": "x"})
        rows = self.rows()
        words = set(query.lower().strip("?").split())
        rows.sort(key=lambda row: -len(words & set(row["line"].lower().strip(".").split())))
        return {"items": [self.item(at, row) for at, row in enumerate(rows)][:limit]}

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.file.read_text().splitlines()] if self.file.exists() else []

    def item(self, at: int, row: dict[str, Any]) -> dict[str, Any]:
        line = row["line"]
        return {"id": at, "text": line, "turns": [row["id"]], "recorded": row["time"], "speaker": line[:3]}

    def size(self) -> int:
        return len(self.file.read_text().splitlines())

    def close(self) -> None:
        self.file.with_name("closed").touch()

    async def obey(self, text: str) -> None:
        for word in text.split():
            order = getattr(self, f"do_{word}", None)
            if order is not None:
                done = order(text)
                if done is not None:
                    await done

    def do_print(self, text: str) -> None:
        print("the library prints", flush=True)
        os.write(1, b"and its C code too\n")

    def do_log(self, text: str) -> None:
        logging.getLogger("library").error("a reply couldn't be read")

    def do_child(self, text: str) -> None:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        self.file.with_name("child").write_text(str(child.pid))

    def do_environment(self, text: str) -> None:
        self.file.with_name("environment").write_text(json.dumps(dict(os.environ)))

    def do_call(self, text: str) -> None:
        self.call(text, False)

    def do_swallow(self, text: str) -> None:
        self.call(text, True)

    def do_embed(self, text: str) -> None:
        self.post("embeddings", {"input": [text, "!"], "model": "x"})

    def do_hang(self, text: str) -> Any:
        return asyncio.sleep(60)

    def do_die(self, text: str) -> None:
        print("last words", flush=True)
        os._exit(7)

    def do_fail(self, text: str) -> None:
        raise KeyError("missing")

    def call(self, text: str, swallow: bool) -> None:
        try:
            self.post("chat/completions", {"messages": [{"role": "user", "content": text}], "model": "x"})
        except URLError:
            if not swallow:
                raise

    def post(self, path: str, body: dict[str, Any]) -> None:
        url = f"{self.given['model']['base_url']}/{path}"
        request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            reply.read()
