"""How it is seen, without Midwatch, that a fault bites and heals: by requests of our own, and by asking components.

A measure is a function of the place that gives a number; with what it was before, a judgement says whether it bites.
"""

import random
import socket
import ssl
import statistics
import time
from dataclasses import dataclass
from typing import Callable

from . import faults_of_stores, services, web

HEADERS = {"x-api-key": "web-7f3a", "content-type": "application/json"}


def ask(place, path, body=None, user=None, method=None):
    """(milliseconds, status, text) of one request through nginx."""
    headers = HEADERS | {"x-user-id": user or f"u{random.randint(1, 5000):05}"}
    begun = time.monotonic()
    try:
        status, text = web.ask(f"http://{place.address('shop')}{path}", body, method, 10, headers)
    except OSError as e:
        status, text = 0, str(e)
    return (time.monotonic() - begun) * 1000, status, text


def checkout(place, provider="nordpay", product=None):
    """Fills a cart of somebody new and checks it out; (milliseconds, status, text) of the checkout alone."""
    user = f"u{random.randint(5001, 99999):05}"
    product = product if product is not None else 4 * random.randint(1, 499) + 1
    ask(place, "/cart", f'{{"product_id": {product}, "quantity": 1}}', user, "POST")
    return ask(place, "/checkout", f'{{"provider": "{provider}"}}', user, "POST")


def median_ms(answers):
    return statistics.median(ms for ms, _, _ in answers)


def errors(answers):
    return sum(status == 0 or status >= 500 for _, status, _ in answers)


def orders_ms(place):
    return median_ms([ask(place, "/orders") for _ in range(7)])


def slowest_checkout_ms(place):
    return max(checkout(place)[0] for _ in range(4))


def checkout_ms(place):
    return median_ms([checkout(place) for _ in range(9)])


def pool_errors(place):
    return sum("no connection of the pool" in text for _, _, text in (checkout(place) for _ in range(6)))


def cart_growth_mib(place):
    before = services.stats(place, "cart")["rss_kib"]
    for _ in range(20):
        ask(place, "/cart", user="u00001")
    return (services.stats(place, "cart")["rss_kib"] - before) / 1024


def list_ms(place):
    """At times of chance: one request right after the other would find the same gap of a busy processor."""
    answers = []
    for n in range(15):
        time.sleep(random.uniform(0.02, 0.25))
        answers.append(ask(place, f"/products?category={n}"))
    return median_ms(answers)


def mail_errors(place):
    url = f"http://{place.address('mailer')}/mail"
    return sum(web.ask(url, '{"order": 1}', "POST")[0] >= 500 for _ in range(4))


def paylink_errors(place):
    """Of five by paylink; an error by the other provider would be another fault."""
    if others := errors([checkout(place, "nordpay") for _ in range(3)]):
        raise RuntimeError(f"{others} of 3 by nordpay failed too")
    return errors([checkout(place, "paylink") for _ in range(5)])


def calls_per_request(place):
    """Requests that reach the catalogue for one to the gateway; customers add a little."""
    before = services.stats(place, "catalogue")["served"]
    for n in range(20):
        ask(place, f"/products?category={n}")
    time.sleep(0.3)
    return (services.stats(place, "catalogue")["served"] - before) / 20


def popular_ms(place):
    """The pages that were asked for a moment ago."""
    return median_ms([ask(place, f"/products/{n}") for n in range(1, 16)])


def orders_not_found(place):
    """Orders that a customer cannot see 700 ms after placing them, of three."""
    missing = 0
    for _ in range(3):
        _, status, text = checkout(place)
        if status != 200:
            raise RuntimeError(f"checkout answered {status}: {text[:100]}")
        time.sleep(0.7)
        number = text.split('"id":')[1].split(",")[0].strip(" }")
        missing += ask(place, f"/orders/{number}")[1] == 404
    return missing


def failures_affordable(place):
    """Members of etcd that may still fail: those that answer, less the votes that a quorum needs."""
    listed = len(faults_of_stores.members(place))
    alive = 0
    for n in (1, 2, 3, 4):
        try:
            alive += "true" in web.ask(f"http://{place.address(f'etcd-{n}')}/health", timeout_s=2)[1]
        except OSError:
            pass
    return alive - (listed // 2 + 1)


def payment_behind_s(place):
    return time.time() - services.stats(place, "payment")["clock_ms"] / 1000


def certificate_days(place):
    port = place.port("shop-tls")
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    context = ssl.create_default_context(cadata=pem)
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", port), timeout=3) as raw, context.wrap_socket(raw) as tls:
        return (ssl.cert_time_to_seconds(tls.getpeercert()["notAfter"]) - time.time()) / 86400


def worker_lines_per_s(place):
    before, begun = services.stats(place, "worker")["lines"], time.monotonic()
    time.sleep(2)
    return (services.stats(place, "worker")["lines"] - before) / (time.monotonic() - begun)


def shard_two_ms(place):
    return median_ms([checkout(place, product=4 * n + 2) for n in range(1, 6)])


@dataclass
class Measure:
    """`bites` and `heals` judge a number against what it was before the fault."""

    what: str
    read: Callable
    bites: Callable
    heals: Callable


def slower(by_ms):
    return lambda before, now: now > before + by_ms


def as_before(by_ms):
    return lambda before, now: now < before + by_ms


ALL = {
    "slow-sql": Measure("median of GET /orders, ms", orders_ms, slower(25), as_before(20)),
    "lock-contention": Measure("slowest of 4 checkouts, ms", slowest_checkout_ms, slower(1000), as_before(500)),
    "pool-exhaustion": Measure("checkouts of 6 without a connection", pool_errors, lambda b, n: n >= 5, lambda b, n: n == 0),
    "memory-leak": Measure("growth of cart in 20 requests, MiB", cart_growth_mib, lambda b, n: n > 30, lambda b, n: n < 5),
    "cpu-hog": Measure("median of GET /products, ms", list_ms, slower(30), as_before(25)),
    "full-disk": Measure("mails of 4 not written", mail_errors, lambda b, n: n == 4, lambda b, n: n == 0),
    "bad-deploy": Measure("checkouts of 5 by paylink that fail", paylink_errors, lambda b, n: n == 5, lambda b, n: n == 0),
    "retry-storm": Measure("calls to catalogue for each request", calls_per_request, lambda b, n: n > 2 * b, lambda b, n: n < 1.5 * b),
    "cache-flushed": Measure("median of popular products, ms", popular_ms, slower(8), as_before(6)),
    "replica-lag": Measure("orders of 3 not found after 0.7 s", orders_not_found, lambda b, n: n == 3, lambda b, n: n == 0),
    "etcd-replaced": Measure("members of etcd that may still fail", failures_affordable, lambda b, n: n == 0, lambda b, n: n == 1),
    "clock-step": Measure("payment behind the host, s", payment_behind_s, lambda b, n: 85 < n < 95, lambda b, n: abs(n) < 2),
    "packet-loss": Measure("median of POST /checkout, ms", checkout_ms, slower(120), as_before(80)),
    "certificate": Measure("days left of the certificate", certificate_days, lambda b, n: 2 < n < 4, lambda b, n: n > 80),
    "log-flood": Measure("log lines of worker a second", worker_lines_per_s, lambda b, n: n > b + 80, lambda b, n: n < b + 10),
    "slow-shard": Measure("median checkout of shard 2, ms", shard_two_ms, slower(150), as_before(100)),
}
