"""What was really wrong, and when: one JSON object a line in `truth.jsonl`, to score advice against.

A line with `"event": "begin"` is written before a fault is put in, and one with `"event": "end"`, which has all of the
first line and `ended`, after it was taken out. Times are milliseconds since 1970 and RFC 3339.
"""

import json
import time
from datetime import datetime, timezone


def stamp(now=None):
    now = time.time() if now is None else now
    text = datetime.fromtimestamp(now, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"ms": int(now * 1000), "time": text}


def append(place, line):
    with open(place.folder / "truth.jsonl", "a") as file:
        file.write(json.dumps(line) + "\n")


def begin(place, name, fault):
    line = {
        "event": "begin",
        "id": f"{name}-{int(time.time() * 1000)}",
        "fault": name,
        "what": fault.what,
        "where": fault.where,
        "cause": fault.cause,
        "symptoms": fault.symptoms,
        "begun": stamp(),
        "ended": None,
    }
    place.state["faults"][name] = {"line": line, "kept": {}}
    append(place, line)


def end(place, name):
    line = place.state["faults"].pop(name)["line"]
    append(place, line | {"event": "end", "ended": stamp()})


def end_all(place):
    """The lab ends: no fault outlives it."""
    for name in list(place.state["faults"]):
        end(place, name)


def read(place):
    path = place.folder / "truth.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
