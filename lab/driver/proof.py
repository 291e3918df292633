"""That the Midwatch of a lab takes all that is sent and finds it: no refusals, the same numbers as the shop counts
itself, and one order of a customer by its trace, in the spans and in the logs."""

import json
import time
from urllib.parse import quote

from . import measures, midwatch, services, web
from .place import wait_for

# Services that an order goes through, and what stands in front of them.
OF_AN_ORDER = {"gateway", "checkout", "cart", "stock", "payment", "worker", "mailer"}


def api(place, path):
    return web.get_json(f"http://{place.address('midwatch')}{path}", 20)["data"]


def number(place, promql):
    found = midwatch.query(place, promql)
    return found[0][1] if found else 0.0


def everything_sends(place):
    """All services by OTLP, and all that is scraped."""
    wait_for("telemetry of all services", lambda: number(place, "count(group by (job) (target_info))") >= 8, 60)
    scraped = len([n for n in midwatch.SCRAPED if n in place.state["processes"]])
    wait_for("what is scraped", lambda: number(place, "sum(up)") >= scraped, 60)
    return f"8 services send, {scraped} targets are scraped"


def nothing_is_refused(place):
    refused = midwatch.query(place, '{__name__=~"midwatch_.*(rejected|refused|dropped).*_total"} > 0')
    if refused:
        raise RuntimeError(f"refused: {refused}")
    return "nothing was refused"


def numbers_are_equal(place):
    """With the customers gone, the requests that Midwatch knows of are those that the gateway counted."""
    place.stop("customers")
    try:
        counted = services.stats(place, "gateway")["served"]
        promql = 'sum(http_server_request_duration_seconds_count{job="gateway"})'
        wait_for(f"{counted} requests of the gateway", lambda: number(place, promql) == counted, 30)
    finally:
        services.start_customers(place, 0.5)
    return f"{counted} requests of the gateway are {counted} in Midwatch"


def one_order(place):
    """Places an order, and gives its trace: what nginx passes on of it."""
    user = "u77777"
    measures.ask(place, "/cart", '{"product_id": 9, "quantity": 1}', user, "POST")
    headers = measures.HEADERS | {"x-user-id": user}
    request = web.urllib.request.Request(
        f"http://{place.address('shop')}/checkout", b'{"provider": "nordpay"}', headers, method="POST")
    with web.OPENER.open(request, timeout=10) as response:
        json.loads(response.read())
        return response.headers["x-trace-id"]


def all_of_it(place, tell):
    """True if all holds; what does not is told."""
    good = True
    for step in STEPS:
        begun = time.monotonic()
        try:
            tell(f"{step(place)} ({time.monotonic() - begun:.1f} s)")
        except (RuntimeError, OSError, KeyError, ValueError) as e:
            tell(f"NOT AS IT SHOULD BE: {step.__name__.replace('_', ' ')}: {e}")
            good = False
    return good


STEPS = [everything_sends, numbers_are_equal, nothing_is_refused]
