"""The audit of dependencies fails on what it should fail on, and says what it could not look up."""

import importlib.util
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "infra" / "audit.py"
TODAY = date(2026, 5, 1)


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit_script", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "audit_script", module)
    spec.loader.exec_module(module)
    return module


def said(*packages: dict) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


HOLE = {"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1", "GHSA-aaaa"], "fix_versions": ["2.0"], "description": "bad"}
BAD = {"name": "soft", "version": "1.0", "vulns": [HOLE]}
GOOD = {"name": "firm", "version": "1.0", "vulns": []}
UNKNOWN = {"name": "odd", "skip_reason": "not found"}


def entry(**changed: object) -> dict:
    return {"id": "CVE-2026-1", "package": "soft", "reason": "never called", "until": date(2026, 5, 1), **changed}


def test_a_known_vulnerability_fails(audit: ModuleType):
    lines, status = audit.judge(audit.read_report(said(BAD, GOOD)), [], TODAY)
    assert status == 1 and lines[0].startswith(
        "VULNERABLE: soft 1.0: PYSEC-2026-1, CVE-2026-1, GHSA-aaaa (fixed in 2.0)"
    )
    assert lines[-1] == "audited: 2 packages, 1 known vulnerabilities"


def test_it_passes_while_it_is_accepted_and_no_longer(audit: ModuleType):
    report = audit.read_report(said(BAD, GOOD))
    lines, status = audit.judge(report, [entry()], TODAY)
    assert status == 0 and "never called" in lines[0]
    assert audit.judge(report, [entry()], date(2026, 5, 2))[1] == 1
    assert audit.judge(report, [entry(package="other")], TODAY)[1] == 1
    assert audit.judge(report, [entry(id="CVE-2026-2")], TODAY)[1] == 1
    lines, status = audit.judge(audit.read_report(said(GOOD)), [entry()], TODAY)
    assert status == 0 and "no longer needed in audit.toml: CVE-2026-1" in lines


def test_what_could_not_be_looked_up_is_said(audit: ModuleType):
    lines, status = audit.judge(audit.read_report(said(UNKNOWN, GOOD)), [], TODAY)
    assert status == 0 and lines[0] == "not audited: 1 packages that the service doesn't know"
    assert audit.read_report(said(UNKNOWN, {"name": "memory-r1", "skip_reason": "local"})).known == 0


def test_each_accepted_entry_has_a_reason_and_a_date(audit: ModuleType):
    audit.read_accepted(audit.ACCEPTED.read_text())
    good = '[[accepted]]\nid = "A"\npackage = "b"\nreason = "c"\nuntil = 2026-05-01\n'
    assert audit.read_accepted(good)[0]["until"] == TODAY
    for old, new in (
        ('reason = "c"\n', ""),
        ('"c"', '" "'),
        ("2026-05-01", '"soon"'),
        ("2026-05-01", "2026-05-01T10:00:00"),
    ):
        with pytest.raises(ValueError, match="is no entry"):
            audit.read_accepted(good.replace(old, new))


@pytest.mark.slow
def test_the_script_ends_by_itself_without_a_network(tmp_path: Path):
    """No service is reached through a proxy that isn't there."""
    pytest.importorskip("pip_audit", reason="needs pip install 'memory-r1[dev]'")
    proxy = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    env = {**proxy, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, SCRIPT], env=env, capture_output=True, text=True, timeout=150, check=False)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("not audited: ")
