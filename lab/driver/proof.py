"""That the Midwatch of a lab takes all that is sent and finds it: no refusals, the same numbers as the shop counts
itself, and one order of a customer by its trace, in the spans and in the logs."""

import json
import re
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


def order_in_traces(place):
    """The spans of one order, from the gateway to the mailer, are one trace."""
    if not has(place, "/api/v1/traces/search"):
        return "this Midwatch takes no traces: not looked for"
    trace = one_order(place)

    def services_of_it():
        found = set(re.findall(r'"service(?:\.name)?":"([a-z]+)"', json.dumps(api(place, f"/api/v1/traces/{trace}"), separators=(",", ":"))))
        return found if OF_AN_ORDER <= found else None

    found = wait_for(f"spans of all services of trace {trace}", services_of_it, 30, 1)
    return f"trace {trace} goes through {', '.join(sorted(found))}"


def order_in_logs(place):
    """The line of nginx's access log with user and key, and what the services logged by OTLP, of one order."""
    if not has(place, "/api/v1/logs/search"):
        return "this Midwatch takes no logs: not looked for"
    trace = one_order(place)

    def lines():
        found = api(place, f"/api/v1/logs/search?query={quote(trace)}&limit=100")["records"]
        of = {r["service"] for r in found}
        return found if {"nginx", "gateway", "checkout", "payment", "mailer"} <= of else None

    found = wait_for(f"log records of trace {trace}", lines, 30, 1)
    access = json.dumps([r for r in found if r["service"] == "nginx"])
    for part in ("u77777", "web-7f3a", "POST", "/checkout"):
        if part not in access:
            raise RuntimeError(f"{part} is not in nginx's record: {access[:600]}")
    return f"{len(found)} log records of trace {trace}, nginx's with user and key among them"


def has(place, path):
    return web.ask(f"http://{place.address('midwatch')}{path}")[0] != 404


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


STEPS = [everything_sends, order_in_traces, order_in_logs, numbers_are_equal, nothing_is_refused]
