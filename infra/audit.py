"""Looks for known vulnerabilities in the packages of this environment, by pip-audit: `make audit`.

One that `audit.toml` does not accept, with a reason and a date, ends it with status 1. What could not be looked up, for
want of a network or because a service doesn't know the package, is said, and is no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ACCEPTED = Path(__file__).with_name("audit.toml")
SERVICES = ("pypi", "osv")
"""Who is asked, one after the other, until one knows our packages."""
SECONDS = 50.0
"""For all of it."""
OURS = "memory-r1"


@dataclass(frozen=True, slots=True)
class Finding:
    """A vulnerability of an installed package, by all of its names."""

    package: str
    version: str
    ids: tuple[str, ...]
    fixed: tuple[str, ...]

    def __str__(self) -> str:
        mend = f"fixed in {', '.join(self.fixed)}" if self.fixed else "not fixed yet"
        return f"{self.package} {self.version}: {', '.join(self.ids)} ({mend})"


@dataclass(frozen=True, slots=True)
class Report:
    """What a service said: vulnerabilities, how many packages it knows, and the names of those it doesn't."""

    findings: tuple[Finding, ...] = ()
    known: int = 0
    unknown: tuple[str, ...] = ()


def read_report(text: str) -> Report:
    """A report of pip-audit in its JSON. Raises ValueError for anything else."""
    findings: list[Finding] = []
    unknown: list[str] = []
    packages = [one for one in json.loads(text)["dependencies"] if one["name"] != OURS]
    for one in packages:
        if "skip_reason" in one:
            unknown.append(one["name"])
        for found in one.get("vulns", []):
            ids = (found["id"], *found.get("aliases", []))
            findings.append(Finding(one["name"], one["version"], ids, tuple(found.get("fix_versions", []))))
    return Report(tuple(findings), len(packages) - len(unknown), tuple(unknown))


def read_accepted(text: str) -> list[Mapping[str, Any]]:
    """The entries of `audit.toml`. Raises ValueError for one without id, package, reason or date."""
    entries: list[Mapping[str, Any]] = tomllib.loads(text)["accepted"]
    for entry in entries:
        texts = all(isinstance(entry.get(name), str) and entry[name].strip() for name in ("id", "package", "reason"))
        if not texts or type(entry.get("until")) is not date or set(entry) != {"id", "package", "reason", "until"}:
            raise ValueError(f"{dict(entry)!r} is no entry: give id, package, reason, and until as a date")
    return entries


def judge(report: Report, accepted: Sequence[Mapping[str, Any]], today: date) -> tuple[list[str], int]:
    """What to say of a report, and the exit status."""
    lines: list[str] = []
    used: set[str] = set()
    status = 0
    for finding in report.findings:
        entry = next((e for e in accepted if e["id"] in finding.ids and e["package"] == finding.package), None)
        if entry is not None:
            used.add(entry["id"])
        if entry is not None and today <= entry["until"]:
            lines.append(f"accepted until {entry['until']}: {finding}: {entry['reason']}")
            continue
        status = 1
        lines.append(f"VULNERABLE: {finding}" + (f"; accepted only until {entry['until']}" if entry else ""))
    lines += [f"no longer needed in {ACCEPTED.name}: {e['id']}" for e in accepted if e["id"] not in used]
    if report.unknown:
        lines.append(f"not audited: {len(report.unknown)} packages that the service doesn't know")
    lines.append(f"audited: {report.known} packages, {len(report.findings)} known vulnerabilities")
    return lines, status


def ask(service: str, seconds: float) -> tuple[Report, str]:
    """What the service knows of this environment; and why it knows nothing."""
    command = [sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--format", "json"]
    command += ["--progress-spinner", "off", "--vulnerability-service", service, "--timeout", "10"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=max(seconds, 1.0), check=False)
        report = read_report(done.stdout)
    except subprocess.TimeoutExpired:
        return Report(), f"{service} took more than {seconds:.0f} s"
    except (ValueError, KeyError):
        last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        return Report(), f"{service}: {last[0][:200]}"
    return report, "" if report.known else f"{service} knows none of the packages"


def main() -> int:
    """Audit, and say what came out; returns the exit status."""
    if find_spec("pip_audit") is None:
        sys.stdout.write("pip-audit is not installed: pip install 'memory-r1[dev]'\n")
        return 1
    accepted = read_accepted(ACCEPTED.read_text(encoding="utf-8"))
    end, reasons = time.monotonic() + SECONDS, list[str]()
    for service in SERVICES:
        report, why = ask(service, end - time.monotonic())
        if not why:
            lines, status = judge(report, accepted, datetime.now().date())
            sys.stdout.write("\n".join(lines) + "\n")
            return status
        reasons.append(why)
    sys.stdout.write(f"not audited: {'; '.join(reasons)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
