"""Faults of PostgreSQL, Redis, etcd and nginx: done to them from outside, as people and accidents do."""

import shutil
import signal

from . import components, services, web
from .components import sql
from .place import wait_for


def drop_index(place, kept):
    sql(place, "drop index orders_user")


def create_index(place, kept):
    sql(place, components.INDEX.replace("index ", "index if not exists ", 1))


def lock_table(place, kept):
    """A report that somebody runs: transactions that hold a lock for 3 s, half a second apart."""
    once = "begin; lock table orders in exclusive mode; select pg_sleep(3); commit; select pg_sleep(0.5);\n"
    script = place.write("report.sql", once * 600)
    place.spawn("report", [
        components.program("psql"), "-qAtX", "-h", "127.0.0.1", "-p", place.port("postgres"), "-U", "shop", "-d", "shop",
        "-f", script], {"PGAPPNAME": "lab-report"})


def end_helper(place, kept):
    place.stop("report")
    del place.state["processes"]["report"]
    # The server notices that a client is gone when it next speaks to it.
    sql(place, "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lab-report'")


def flush(place, kept):
    place.run([components.program("redis-cli"), "-p", str(place.port("redis")), "flushall"])


def warm(place, kept):
    """What a wise operator does: the most wanted pages are asked for, gently."""
    services.warm(place)


def pause_replay(place, kept):
    sql(place, "select pg_wal_replay_pause()", "postgres-replica")


def resume_replay(place, kept):
    sql(place, "select pg_wal_replay_resume()", "postgres-replica")


def members(place):
    """{name or first URL: id as a text}."""
    listed = web.etcd(place, "cluster/member/list", {})["members"]
    return {m.get("name") or m["peerURLs"][0]: m["ID"] for m in listed}


def replace_member(place, kept):
    """The machine of one member dies for good; another comes, is added, and nobody removes the dead one."""
    place.stop("etcd-3", signal.SIGKILL)
    shutil.rmtree(place.folder / "etcd" / "etcd-3", ignore_errors=True)
    wait_for("a leader without it", lambda: web.etcd(place, "kv/range", {"key": "AA=="}) is not None, 20)
    web.etcd(place, "cluster/member/add", {"peerURLs": [f"http://{place.address('etcd-4-peer')}"]})
    shutil.rmtree(place.folder / "etcd" / "etcd-4", ignore_errors=True)
    components.etcd_member(place, "etcd-4", ["etcd-1", "etcd-2", "etcd-3", "etcd-4"], "existing")
    wait_for("the new member", lambda: "true" in web.ask(f"http://{place.address('etcd-4')}/health")[1], 30)


def remove_member(place, kept):
    """The dead one is removed; then the old machine comes back as what the new one was."""
    listed = members(place)
    if "etcd-3" in listed:
        web.etcd(place, "cluster/member/remove", {"ID": listed["etcd-3"]})
    if "etcd-4" in listed:
        web.etcd(place, "cluster/member/remove", {"ID": listed["etcd-4"]}, ("etcd-1", "etcd-2"))
    if "etcd-4" in place.state["processes"]:
        place.stop("etcd-4")
        del place.state["processes"]["etcd-4"]
    two = ("etcd-1", "etcd-2")
    wait_for("two members", lambda: len(members(place)) == 2, 20)
    web.etcd(place, "cluster/member/add", {"peerURLs": [f"http://{place.address('etcd-3-peer')}"]}, two)
    shutil.rmtree(place.folder / "etcd" / "etcd-3", ignore_errors=True)
    components.etcd_member(place, "etcd-3", ["etcd-1", "etcd-2", "etcd-3"], "existing")
    wait_for("three members", lambda: "true" in web.ask(f"http://{place.address('etcd-3')}/health")[1], 30)


def short_certificate(place, kept):
    components.certificate(place, 3)
    place.send("nginx", signal.SIGHUP)


def long_certificate(place, kept):
    components.certificate(place, 90)
    place.send("nginx", signal.SIGHUP)


def slow_shard(place, kept):
    sql(place, "create or replace function wait_a_bit() returns trigger language plpgsql as "
               "$$ begin perform pg_sleep(0.25); return new; end $$; "
               "create trigger slow before update on stock_2 for each row execute function wait_a_bit()")


def quick_shard(place, kept):
    sql(place, "drop trigger if exists slow on stock_2")
