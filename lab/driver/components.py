"""PostgreSQL with a replica, Redis, three of etcd, nginx, and what exports their metrics: from Debian's packages."""

import glob
import shutil
import subprocess
import time
from pathlib import Path

from . import web
from .place import fail, wait_for

# Users 1 to 5,000 have 50 orders each: without its index a look at one's orders reads them all.
SCHEMA = """
create table products (id int primary key, name text not null, category int not null, price_cents int not null);
insert into products select i, 'Product ' || i, i % 40, 200 + (i * 7919) % 9800 from generate_series(1, 2000) i;
create table reviews (product_id int not null, stars int not null, body text not null);
insert into reviews select 1 + (i * 31) % 2000, 1 + i % 5, repeat('good ', 8) from generate_series(1, 60000) i;
create index reviews_product on reviews (product_id);
create table orders (id bigserial primary key, user_id int not null, items text not null, total_cents int not null,
  provider text not null, status text not null, placed timestamptz not null default now());
insert into orders (user_id, items, total_cents, provider, status, placed)
  select 1 + i % 5000, '{"items":[{"product_id":1,"quantity":1}],"note":"' || repeat('x', 120) || '"}',
    500 + i % 9000, 'nordpay', 'mailed', now() - interval '30 days' + i * interval '6 seconds'
  from generate_series(1, 250000) i;
create index orders_user on orders (user_id, id);
create table payments (id bigserial primary key, provider text not null, amount_cents int not null,
  made timestamptz not null default now());
"""
SHARD = """
create table stock_{n} (product_id int primary key, quantity int not null, price_cents int not null);
insert into stock_{n} select id, 1000000000, price_cents from products where id % 4 = {n};
"""
INDEX = "create index orders_user on orders (user_id, id)"

POSTGRES_CONF = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 48MB
max_connections = 60
max_wal_size = 256MB
wal_level = replica
log_min_duration_statement = 250
log_line_prefix = '%m [%p] app=%a '
log_lock_waits = on
deadlock_timeout = 500ms
"""

NGINX_CONF = """
daemon off;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {logs}/nginx-error.log warn;
events {{ worker_connections 256; }}
http {{
  # Combined, and what the shop knows of a request: who, with which key, how long, under which identifiers.
  log_format shop '$remote_addr - $http_x_user_id [$time_local] "$request" $status $body_bytes_sent '
    '"$http_referer" "$http_user_agent" rt=$request_time key=$http_x_api_key request_id=$request_id '
    'trace_id=$upstream_http_x_trace_id';
  access_log {logs}/nginx-access.log shop;
  client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi; scgi_temp_path {dir}/scgi;
  server_tokens off;
  upstream gateway {{ server {gateway}; keepalive 8; }}
  server {{
    listen {http};
    listen {https} ssl;
    ssl_certificate {dir}/shop.crt;
    ssl_certificate_key {dir}/shop.key;
    location / {{
      proxy_pass http://gateway;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Request-Id $request_id;
      proxy_read_timeout 10s;
    }}
  }}
  server {{ listen {status}; access_log off; location /stub_status {{ stub_status; }} }}
}}
"""


def postgres_bin():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda p: int(p.split("/")[4]))
    if not found:
        fail("PostgreSQL is not installed: `scripts/setup lab` installs what the lab needs")
    return Path(found[-1]).parent


def program(name):
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin")
    if not found:
        fail(f"{name} is not installed: `scripts/setup lab` installs what the lab needs")
    return found


def sql(place, text, server="postgres", timeout_s=60):
    """Runs SQL on the primary (or `postgres-replica`); rows as text, columns apart by `|`."""
    argv = [program("psql"), "-qAtX", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(place.port(server))]
    env = {"PGAPPNAME": "lab"}
    return place.run([*argv, "-U", "shop", "-d", "shop", "-c", text], timeout=timeout_s, env=env).strip()


def postgres(place):
    """The primary with the shop's tables, then a streaming replica of it."""
    bin_, data = postgres_bin(), place.subfolder("postgres")
    primary, replica = data / "primary", data / "replica"
    place.run([bin_ / "initdb", "-D", primary, "-U", "shop", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"])
    with open(primary / "postgresql.conf", "a") as conf:
        conf.write(POSTGRES_CONF)
    port = place.port("postgres")
    place.spawn("postgres", [bin_ / "postgres", "-D", primary, "-p", port])
    createdb = [program("createdb"), "-h", "127.0.0.1", "-p", str(port), "-U", "shop", "shop"]
    wait_for("PostgreSQL", lambda: place.run(createdb) is not None)
    sql(place, SCHEMA + "".join(SHARD.format(n=n) for n in range(4)))
    sql(place, "vacuum analyze")
    place.run([bin_ / "pg_basebackup", "-h", "127.0.0.1", "-p", str(port), "-U", "shop", "-D", replica, "-R",
               "-X", "stream", "-c", "fast", "--no-sync"])
    place.spawn("postgres-replica", [bin_ / "postgres", "-D", replica, "-p", place.port("postgres-replica")])
    wait_for("the replica", lambda: sql(place, "select pg_is_in_recovery()", "postgres-replica") == "t")


def redis(place):
    place.spawn("redis", [program("redis-server"), "--port", place.port("redis"), "--bind", "127.0.0.1", "--save", "",
                          "--appendonly", "no", "--maxmemory", "64mb", "--dir", place.subfolder("redis")])


def etcd_member(place, name, cluster, state):
    peer, client = (f"http://{place.address(n)}" for n in (f"{name}-peer", name))
    place.spawn(name, [
        program("etcd"), "--name", name, "--data-dir", place.folder / "etcd" / name,
        "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
        "--listen-client-urls", client, "--advertise-client-urls", client,
        "--initial-cluster", ",".join(f"{n}=http://{place.address(f'{n}-peer')}" for n in cluster),
        "--initial-cluster-state", state, "--initial-cluster-token", "lab",
        "--heartbeat-interval", "500", "--election-timeout", "3000", "--logger", "zap", "--log-level", "warn",
        # Without this etcd itself refuses the mistake that the fault `etcd-replaced` is about.
        "--strict-reconfig-check=false",
    ])


def etcd(place):
    place.subfolder("etcd")
    names = ["etcd-1", "etcd-2", "etcd-3"]
    for name in names:
        etcd_member(place, name, names, "new")
    for name in names:
        url = f"http://{place.address(name)}/health"
        wait_for(name, lambda: "true" in web.ask(url)[1])


def certificate(place, days):
    """A certificate of nginx that ends in so many days."""
    directory = place.folder / "nginx"
    place.run([program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
               "-days", str(days), "-subj", "/CN=shop.example", "-addext", "subjectAltName=DNS:shop.example,IP:127.0.0.1",
               "-keyout", directory / "shop.key", "-out", directory / "shop.crt"])


def nginx(place):
    directory = place.subfolder("nginx")
    certificate(place, 90)
    conf = place.write("nginx/nginx.conf", NGINX_CONF.format(
        dir=directory, logs=place.folder / "logs", gateway=place.address("gateway"), http=place.address("shop"),
        https=place.address("shop-tls"), status=place.address("nginx-status")))
    place.spawn("nginx", [program("nginx"), "-p", directory, "-c", conf, "-e", place.folder / "logs" / "nginx-error.log"])
    url = f"http://{place.address('nginx-status')}/stub_status"
    wait_for("nginx", lambda: web.ask(url)[0] == 200)


def spool(place):
    """A disk for the mailer: 16 MiB of memory file system for root, else a folder. Says which."""
    path = place.subfolder("spool")
    if not place.as_owner():
        return "folder"
    options = f"size=16m,uid={place.owner.pw_uid},gid={place.owner.pw_gid},mode=755"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "midwatch-lab", path], stderr=subprocess.PIPE)
    if done.returncode != 0:
        return "folder"
    place.state["mounts"] = [str(path)]
    return "tmpfs"


def exporters(place):
    """Debian's exporters, where they are installed; etcd exports its own metrics."""
    dsn = "postgresql://shop@127.0.0.1:{}/shop?sslmode=disable"
    if path := shutil.which("prometheus-postgres-exporter"):
        for server in ("postgres", "postgres-replica"):
            name = f"{server}-exporter"
            place.spawn(name, [path, f"--web.listen-address={place.address(name)}"],
                        {"DATA_SOURCE_NAME": dsn.format(place.port(server))})
    if path := shutil.which("prometheus-redis-exporter"):
        place.spawn("redis-exporter", [path, f"-redis.addr=redis://{place.address('redis')}",
                                       f"-web.listen-address={place.address('redis-exporter')}"])
    if path := shutil.which("prometheus-nginx-exporter"):
        place.spawn("nginx-exporter", [path, f"-nginx.scrape-uri=http://{place.address('nginx-status')}/stub_status",
                                       f"-web.listen-address={place.address('nginx-exporter')}"])


def start(place, tell):
    for what, begin in (("PostgreSQL and its replica", postgres), ("Redis", redis), ("etcd, three members", etcd)):
        begun = time.monotonic()
        begin(place)
        tell(f"{what} ({time.monotonic() - begun:.1f} s)")
    place.state["spool"] = spool(place)
