"""The processes of the shop: releases of its program, their addresses, the link between two, the customers."""

import glob
import json
import os
import shutil
import socket

from . import web
from .place import fail, wait_for

ROLES = ["payment", "stock", "mailer", "cart", "catalogue", "checkout", "worker", "gateway"]
VERSION = "1.4.1"
HAS_DB = {"catalogue", "checkout", "payment", "stock", "worker"}
HAS_REDIS = {"catalogue", "cart", "checkout", "worker"}
# Both of OTLP's transports are in use.
BY_GRPC = {"gateway", "checkout", "worker"}
# The process whose clock can be stepped.
FAKED_CLOCK = "payment"
SETTINGS = {
    ("gateway", "catalogue_timeout_ms"): 2000,
    ("gateway", "catalogue_retries"): 1,
    ("gateway", "checkout_timeout_ms"): 6000,
    ("gateway", "checkout_retries"): 0,
    ("checkout", "payment_timeout_ms"): 3000,
    ("catalogue", "cache_seconds"): 1800,
    ("worker", "poll_ms"): 500,
    ("worker", "log_level"): "info",
}


def release(place, version):
    """The program of a version, in a folder of its own, as a deployment leaves it."""
    path = place.folder / "releases" / version / "shop"
    if not path.exists():
        source = place.state["program"]
        place.subfolder(f"releases/{version}")
        shutil.copy(source, path)
        # The bytes of two releases differ; what follows the program is not loaded.
        with open(path, "ab") as program:
            program.write(f"\nrelease {version}\n".encode())
        path.chmod(0o755)
        place.give(path)
    return path


def faketime():
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    return found[0] if found else None


def environment(place, role, version):
    peers = {name: place.address(name) for name in ROLES}
    if role == "checkout":
        peers["payment"] = place.address("link")
    dsn = "host=127.0.0.1 port={} user=shop dbname=shop application_name={} options='-c statement_timeout=4000'"
    env = {
        "SHOP_VERSION": version,
        "SHOP_LISTEN": place.address(role),
        "SHOP_PEERS": json.dumps(peers),
        "SHOP_ETCD": ",".join(place.address(f"etcd-{n}") for n in (1, 2, 3)),
        "OTEL_METRIC_EXPORT_INTERVAL": "5000",
        "OTEL_BSP_SCHEDULE_DELAY": "1000",
        "OTEL_BLRP_SCHEDULE_DELAY": "500",
    }
    otlp = place.state.get("otlp", {})
    if otlp:
        grpc = role in BY_GRPC
        env["OTEL_EXPORTER_OTLP_PROTOCOL"] = "grpc" if grpc else "http/protobuf"
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = otlp["grpc" if grpc else "http"]
    if role in HAS_DB:
        env["SHOP_DB"] = dsn.format(place.port("postgres"), role)
    if role == "checkout":
        env["SHOP_REPLICA"] = dsn.format(place.port("postgres-replica"), role)
    if role in HAS_REDIS:
        env["SHOP_REDIS"] = place.address("redis")
    if role == "mailer":
        env["SHOP_SPOOL"] = str(place.folder / "spool")
    if role == FAKED_CLOCK and faketime():
        clock = place.folder / "clock"
        if not clock.exists():
            place.write("clock", "+0\n")
        env |= {"LD_PRELOAD": faketime(), "FAKETIME_TIMESTAMP_FILE": str(clock), "FAKETIME_CACHE_DURATION": "2",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return env


def start_role(place, role, version=VERSION):
    place.spawn(role, [release(place, version), role], environment(place, role, version))
    wait_for(role, lambda: stats(place, role)["version"] == version, 20)


def stats(place, role):
    return web.get_json(f"http://{place.address(role)}/admin/stats")


def admin(place, role, what):
    return web.post_json(f"http://{place.address(role)}/admin/{what}", {})


def link(place, percent):
    """Sets how many segments in a hundred are lost between checkout and payment."""
    with socket.create_connection(("127.0.0.1", place.port("link-control")), timeout=2) as s:
        s.sendall(f"loss {percent}\n".encode())
        if s.recv(32).decode() != f"loss {percent}\n":
            fail("the link does not take orders")


def start(place, tell):
    for (service, name), value in SETTINGS.items():
        web.put_config(place, service, name, value)
    place.spawn("link", [release(place, VERSION), "link"], {
        "SHOP_LISTEN": place.address("link"), "SHOP_CONTROL": place.address("link-control"),
        "SHOP_TARGET": place.address("payment")})
    for role in ROLES:
        start_role(place, role)
    tell("the shop: " + ", ".join(reversed(ROLES)))
    warm(place)


def warm(place, pages=400):
    """The most wanted pages of the catalogue into its cache, one after the other."""
    for product in range(1, pages + 1):
        web.ask(f"http://{place.address('catalogue')}/products/{product}", headers={"x-user-id": "warmer"})


def start_customers(place, sessions_per_second):
    place.spawn("customers", [release(place, VERSION), "customers"], {
        "SHOP_BASE": f"http://{place.address('shop')}", "SHOP_LISTEN": place.address("customers"),
        "SHOP_SESSIONS_PER_SECOND": str(sessions_per_second)})
    wait_for("customers", lambda: measured(place, 20).get("list", {}).get("count", 0) > 2)


def measured(place, seconds):
    """What customers got in the last seconds: {operation: {count, errors, refused, p50_ms, p90_ms, p99_ms}}."""
    return web.get_json(f"http://{place.address('customers')}/measured?seconds={int(seconds)}")


def program(given=None):
    """The shop's program as cargo left it."""
    target = os.environ.get("CARGO_TARGET_DIR", os.path.expanduser("~/.cache/midwatch/target"))
    path = given or f"{target}/debug/shop"
    if not os.path.exists(path):
        fail(f"{path} is not there: `make lab-build` builds it")
    return path
