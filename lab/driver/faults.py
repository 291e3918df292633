"""The faults: what each is, where, what should be seen of it, how it is put in and taken out.

`where` says what is touched: service, resource, operation. `cause` is the entity that a diagnosis has to name.
`symptoms` are what the shop and its components show. Most are done to the real component from outside; those that
need the shop's help (an admin address of one process) say so.
"""

import socket
from dataclasses import dataclass
from typing import Callable

from . import faults_of_services as of_services
from . import faults_of_stores as of_stores
from . import truth

HOST = socket.gethostname()


@dataclass
class Fault:
    """A way to break the shop; `break_` and `mend` get the place and a dict that is kept between them."""

    what: str
    where: dict
    cause: dict
    symptoms: list
    break_: Callable
    mend: Callable

    def __post_init__(self):
        self.where = {"host": HOST, **self.where}


ALL = {
    "slow-sql": Fault(
        "DROP INDEX orders_user: a look at one's orders reads all of them",
        {"service": "checkout", "resource": "postgres", "operation": "GET /orders"},
        {"kind": "schema", "entity": "postgres", "detail": "index orders_user on orders is missing"},
        ["latency of GET /orders", "duration of `select orders of user`", "CPU of postgres", "slow statements in its log"],
        of_stores.drop_index, of_stores.create_index),
    "lock-contention": Fault(
        "a session locks the table orders for 3 s, again and again",
        {"service": "checkout", "resource": "postgres", "operation": "POST /checkout"},
        {"kind": "lock", "entity": "postgres", "detail": "application lab-report holds a lock on orders"},
        ["latency and errors of POST /checkout", "sessions that wait for a lock", "lock waits in PostgreSQL's log"],
        of_stores.lock_table, of_stores.end_helper),
    "pool-exhaustion": Fault(
        "checkout does not give connections back (by its admin address)",
        {"service": "checkout", "resource": "connection pool", "operation": "POST /checkout"},
        {"kind": "code", "entity": "checkout", "detail": "connections of its pool leak"},
        ["errors 503 of checkout: no connection of the pool became free", "idle connections 0"],
        of_services.leak_connections, of_services.return_connections),
    "memory-leak": Fault(
        "each request to cart leaves 2 MiB behind, 300 MiB at most (by its admin address)",
        {"service": "cart", "resource": "memory", "operation": None},
        {"kind": "code", "entity": "cart", "detail": "memory of the process grows with each request"},
        ["resident memory of cart grows steadily"],
        of_services.leak_memory, of_services.restart_cart),
    "cpu-hog": Fault(
        "a runaway job takes 80 % of the only thread of catalogue (by its admin address)",
        {"service": "catalogue", "resource": "cpu", "operation": None},
        {"kind": "cpu", "entity": "catalogue", "detail": "a job on the thread that answers"},
        ["latency of GET /products and /products/{id}", "CPU of the process catalogue"],
        of_services.hog, of_services.end_hog),
    "full-disk": Fault(
        "the mailer's spool is full: a file takes its tmpfs, or a limit of file size stands in for it",
        {"service": "mailer", "resource": "spool", "operation": "POST /mail"},
        {"kind": "disk", "entity": "mailer", "detail": "no space left in the spool"},
        ["errors of POST /mail", "jobs fail and go back", "free space of the file system 0"],
        of_services.fill_disk, of_services.free_disk),
    "bad-deploy": Fault(
        "checkout 1.4.2 replaces 1.4.1; it sends amounts for paylink as text, which payment refuses",
        {"service": "checkout", "resource": None, "operation": "POST /checkout"},
        {"kind": "deploy", "entity": "checkout", "detail": "version 1.4.2"},
        ["errors of POST /checkout for provider paylink alone", "service.version changes", "400 from payment"],
        of_services.deploy_bad, of_services.roll_back),
    "retry-storm": Fault(
        "configuration in etcd: the gateway gives the catalogue 2 ms and asks eight times again",
        {"service": "gateway", "resource": "etcd", "operation": "GET /products/{id}"},
        {"kind": "config", "entity": "gateway", "detail": "catalogue_timeout_ms 2, catalogue_retries 8"},
        ["requests to catalogue multiply", "errors 504 of GET /products", "shop_retries rises"],
        of_services.storm, of_services.calm),
    "cache-flushed": Fault(
        "FLUSHALL in Redis: the cache of products, carts and queued jobs are gone",
        {"service": "catalogue", "resource": "redis", "operation": "GET /products/{id}"},
        {"kind": "cache", "entity": "redis", "detail": "all keys deleted at once"},
        ["misses of the cache", "queries `select product`", "carts are empty: 409 of POST /checkout"],
        of_stores.flush, of_stores.warm),
    "replica-lag": Fault(
        "pg_wal_replay_pause() on the replica: what is read there stays old",
        {"service": "checkout", "resource": "postgres-replica", "operation": "GET /orders/{id}"},
        {"kind": "replication", "entity": "postgres-replica", "detail": "replay is paused"},
        ["404 for orders that were just placed", "replay lag grows"],
        of_stores.pause_replay, of_stores.resume_replay),
    "etcd-replaced": Fault(
        "a dead member of etcd is replaced by a new one, and not removed: four listed, three alive, none may fail",
        {"service": None, "resource": "etcd", "operation": None},
        {"kind": "membership", "entity": "etcd-3", "detail": "dead and still a member; remove it"},
        ["four members are listed, three answer", "a further failure ends the quorum", "etcd warns of etcd-3"],
        of_stores.replace_member, of_stores.remove_member),
    "clock-step": Fault(
        "the clock of the process payment is stepped 90 s back (libfaketime)",
        {"service": "payment", "resource": "clock", "operation": None},
        {"kind": "clock", "entity": "payment", "detail": "90 s behind the host"},
        ["its log lines and spans are 90 s older than their cause", "children begin before their parents"],
        of_services.step_clock, of_services.set_clock),
    "packet-loss": Fault(
        "40 % of the segments between checkout and payment are lost (a relay that waits for retransmissions)",
        {"service": "checkout", "resource": "link checkout to payment", "operation": "POST /checkout"},
        {"kind": "network", "entity": "link checkout to payment", "detail": "40 % loss"},
        ["latency of POST /checkout, of its calls to payment, and not of payment itself"],
        of_services.lose, of_services.lose_nothing),
    "certificate": Fault(
        "nginx has a certificate that ends in 3 days",
        {"service": "nginx", "resource": "certificate", "operation": None},
        {"kind": "certificate", "entity": "nginx", "detail": "CN=shop.example ends in 3 days"},
        ["days left of the certificate: 3"],
        of_stores.short_certificate, of_stores.long_certificate),
    "log-flood": Fault(
        "configuration in etcd: worker polls every 4 ms and logs each poll",
        {"service": "worker", "resource": "logs", "operation": None},
        {"kind": "config", "entity": "worker", "detail": "log_level debug, poll_ms 4"},
        ["lines `poll N: no job in the queue jobs`, 150 or more a second", "Redis commands of worker multiply"],
        of_services.flood, of_services.quiet),
    "slow-shard": Fault(
        "a trigger on stock_2 makes each of its updates wait 250 ms",
        {"service": "stock", "resource": "postgres", "operation": "update stock_2"},
        {"kind": "shard", "entity": "stock shard 2", "detail": "updates of table stock_2 wait"},
        ["latency of POST /reserve and /checkout, for some orders only", "duration of `update stock_2`, not of the others"],
        of_stores.slow_shard, of_stores.quick_shard),
}


def break_(place, name):
    truth.begin(place, name, ALL[name])
    # Even if putting it in fails half-way, it is known as broken, and can be mended.
    place.save()
    ALL[name].break_(place, place.state["faults"][name]["kept"])


def mend(place, name):
    ALL[name].mend(place, place.state["faults"][name]["kept"])
    truth.end(place, name)
    place.save()
