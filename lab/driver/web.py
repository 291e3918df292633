"""HTTP to what runs on loopback. Proxies of the environment are not asked."""

import base64
import json
import urllib.error
import urllib.request

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url, body=None, method=None, timeout_s=5, headers=None):
    """Status and text; errors of HTTP are answers too."""
    data = body.encode() if isinstance(body, str) else body
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with OPENER.open(request, timeout=timeout_s) as response:
            return response.status, response.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as e:
        return e.code, e.read().decode("utf-8", "replace")


def get_json(url, timeout_s=5):
    status, text = ask(url, timeout_s=timeout_s)
    if status != 200:
        raise RuntimeError(f"{url} answered {status}: {text[:200]}")
    return json.loads(text)


def post_json(url, value, timeout_s=5):
    status, text = ask(url, json.dumps(value), "POST", timeout_s, {"content-type": "application/json"})
    if status != 200:
        raise RuntimeError(f"{url} answered {status}: {text[:200]}")
    return json.loads(text or "{}")


def put_config(place, service, name, value):
    """A value of the shop's configuration in etcd; None removes it."""
    key = base64.b64encode(f"/shop/{service}/{name}".encode()).decode()
    if value is None:
        return etcd(place, "kv/deleterange", {"key": key})
    return etcd(place, "kv/put", {"key": key, "value": base64.b64encode(str(value).encode()).decode()})


def etcd(place, call, body, members=("etcd-1", "etcd-2", "etcd-3", "etcd-4")):
    """Asks the first member that answers."""
    last = None
    for member in members:
        if not place.alive(member):
            continue
        try:
            return post_json(f"http://{place.address(member)}/v3/{call}", body)
        except (OSError, RuntimeError) as e:
            last = e
    raise RuntimeError(f"no member of etcd answered: {last}")
