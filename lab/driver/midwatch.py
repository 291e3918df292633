"""A Midwatch that watches the lab: a data folder of its own, and a configuration that scrapes what exports metrics."""

import os
import re
import shutil
import socket
import subprocess
import time
from urllib.parse import quote

from . import components, web
from .place import fail, wait_for

SCRAPED = ["postgres-exporter", "postgres-replica-exporter", "redis-exporter", "nginx-exporter", "etcd-1", "etcd-2",
           "etcd-3", "etcd-4"]


def usual(port):
    """The usual port if it is free, else none."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return None
    return port


def addresses(place, usual_ports):
    """Decided before the shop starts, for it has to know where to send."""
    for name, port in (("midwatch", 4004), ("otlp-grpc", 4317), ("otlp-http", 4318)):
        if usual_ports and (free := usual(port)):
            place.state["ports"][name] = free
        place.port(name)
    place.state["otlp"] = {"grpc": f"http://{place.address('otlp-grpc')}", "http": f"http://{place.address('otlp-http')}"}


def followed(place):
    """The logs that are no OTLP: nginx's access log in its own format, and what the components say."""
    logs = place.folder / "logs"
    files = [("nginx-access", "nginx", "".join(re.findall(r"'([^']*)'", components.NGINX_CONF.split("access_log")[0])))]
    files += [(name, name, "auto") for name in ("postgres", "postgres-replica", "redis", "etcd-1", "etcd-2", "etcd-3",
                                                "nginx-error")]
    return "".join(
        f"""
[[logs.files]]
path = "{logs}/{name}.log"
service = "{service}"
format = '{form}'
from = "beginning"
""" for name, service, form in files)


def takes_logs(path):
    """Whether this Midwatch knows of logs at all."""
    return subprocess.run([path, "config", "explain", "logs"], capture_output=True).returncode == 0


def configuration(place, path):
    """Prometheus's for what is scraped, Midwatch's own for the rest."""
    names = [n for n in SCRAPED if n in place.state["processes"] or n == "etcd-4"]
    jobs = []
    for job in sorted({re.sub(r"-\d+$", "", n) for n in names}):
        of = [n for n in names if re.sub(r"-\d+$", "", n) == job]
        targets = "\n".join(
            f"      - targets: ['{place.address(n)}']\n        labels: {{ member: '{n}' }}" for n in of)
        jobs.append(f"  - job_name: {job}\n    static_configs:\n{targets}\n")
    scrape = place.write("prometheus.yml", "global:\n  scrape_interval: 5s\nscrape_configs:\n" + "".join(jobs))
    return place.write("midwatch.toml", f"""listen = "{place.address('midwatch')}"
data = "{place.folder / 'midwatch'}"
scrape_config_files = ["{scrape}"]

[discover]
enabled = false

[otlp]
listen_grpc = "{place.address('otlp-grpc')}"
listen_http = "{place.address('otlp-http')}"
{followed(place) if takes_logs(path) else ""}""")


def program(given=None):
    target = os.environ.get("CARGO_TARGET_DIR", os.path.expanduser("~/.cache/midwatch/target"))
    found = given or next((p for p in (f"{target}/{kind}/midwatch" for kind in ("release", "debug"))
                           if os.path.exists(p)), None)
    if not found:
        fail("Midwatch is not built: `make build` builds it; `--without-midwatch` does without")
    return found


def start(place, path, tell):
    copy = place.folder / "midwatch-program"
    shutil.copy(path, copy)
    copy.chmod(0o755)
    place.subfolder("midwatch")
    place.spawn("midwatch", [copy, "serve", "--config", configuration(place, copy)])
    begun = time.monotonic()
    wait_for("Midwatch", lambda: web.ask(f"http://{place.address('midwatch')}/-/ready")[0] == 200, 60)
    tell(f"Midwatch ({time.monotonic() - begun:.1f} s)")


def query(place, promql):
    answer = web.get_json(f"http://{place.address('midwatch')}/api/v1/query?query={quote(promql)}")
    return [(r["metric"], float(r["value"][1])) for r in answer["data"]["result"]]
