"""What lab/up, lab/down, lab/status, lab/break and lab/mend do."""

import argparse
import os
import signal
import sys
import time

from . import components, faults, midwatch, services, truth, web
from .place import Place, default_folder, fail, wait_for

# Stopped from the customers inwards; what is not named here goes with the shop.
LAST = ["nginx", "redis", "etcd-4", "etcd-3", "etcd-2", "etcd-1", "postgres-replica", "postgres", "midwatch"]


def tell(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def arguments(about, *more):
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--folder", default=default_folder(), help="where the lab lives (%(default)s)")
    for names, options in more:
        parser.add_argument(*names, **options)
    return parser.parse_args()


def build_up(place, options):
    """Everything, in the order in which it needs one another."""
    os.umask(0o022)
    place.make()
    place.state["program"] = services.program(options.shop)
    path = None if options.without_midwatch else midwatch.program(options.midwatch)
    if path:
        midwatch.addresses(place, options.usual_ports)
    components.start(place, tell)
    components.nginx(place)
    if path:
        components.exporters(place)
        midwatch.start(place, path, tell)
    services.start(place, tell)
    services.start_customers(place, options.sessions)
    place.save()
    wait_for("the first order", lambda: services.measured(place, 60).get("checkout", {}).get("count", 0) > 0, 60)


def up():
    options = arguments(
        "Starts the shop, all that it needs, its customers, and a Midwatch that watches it.",
        (["--detach"], {"action": "store_true", "help": "come back when all runs; lab/down ends it"}),
        (["--without-midwatch"], {"action": "store_true", "help": "the shop alone"}),
        (["--midwatch"], {"metavar": "PROGRAM", "help": "the program to watch with (the one that make builds)"}),
        (["--shop"], {"metavar": "PROGRAM", "help": "the shop's program (the one that make lab-build builds)"}),
        (["--free-ports"], {"dest": "usual_ports", "action": "store_false",
                            "help": "do not take Midwatch's usual ports, even if they are free"}),
        (["--sessions"], {"type": float, "default": 0.5, "help": "new sessions of customers a second (%(default)s)"}),
    )
    if not 0.05 <= options.sessions <= 5:
        fail("--sessions is from 0.05 to 5")
    place = Place(options.folder)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        build_up(place, options)
        show(place)
        if options.detach:
            return
        print("Ctrl-C ends all of it.", flush=True)
        watch(place)
    except KeyboardInterrupt:
        print()
        take_down(place)
    except BaseException:
        take_down(place)
        raise


def watch(place):
    """Until Ctrl-C: says which process ended by itself."""
    told = set()
    while True:
        time.sleep(1)
        place.reap()
        try:
            place.load()
        except ValueError:
            continue
        if not place.state["processes"]:
            tell("lab/down ended it")
            return
        gone = {n for n in place.state["processes"] if not place.alive(n)}
        for name in sorted(gone - told):
            tell(f"{name} ended; see {place.folder}/logs/{name}.log")
        told = gone


def take_down(place):
    """Ends what this lab started, and nothing else."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not place.exists():
        return
    place.load()
    names = [n for n in reversed(place.state["processes"]) if n not in LAST]
    names.sort(key=lambda n: n != "customers")
    for name in names + [n for n in LAST if n in place.state["processes"]]:
        # SIGINT is PostgreSQL's fast shutdown.
        number = signal.SIGINT if name.startswith("postgres") and "exporter" not in name else signal.SIGTERM
        place.send(name, signal.SIGCONT)
        place.stop(name, number)
        del place.state["processes"][name]
    truth.end_all(place)
    place.state["faults"] = {}
    place.unmount()
    place.save()
    tell(f"ended; {place.folder} keeps logs and truth until the next start")


def down():
    place = Place(arguments("Ends the lab.").folder).load()
    take_down(place)


def show(place):
    print(f"\nthe shop           http://{place.address('shop')}/products?category=3 (with x-api-key: web-7f3a)")
    if "midwatch" in place.state["processes"]:
        print(f"Midwatch           http://{place.address('midwatch')}")
    print(f"all addresses      {place.file}")
    print(f"logs               {place.folder}/logs")
    print(f"truth of faults    {place.folder}/truth.jsonl")
    print(f"faults             lab/break {' | '.join(sorted(faults.ALL))}\n", flush=True)


def status():
    place = Place(arguments("What runs, what is broken, and what customers get.").folder).load()
    for name, process in place.state["processes"].items():
        port = place.state["ports"].get(name, "")
        print(f"{name:26} {'runs' if place.alive(name) else 'ENDED':6} pid {process['pid']:<8} port {port}")
    broken = place.state["faults"]
    print("\nbroken: " + (", ".join(broken) if broken else "nothing"))
    if place.alive("customers"):
        print(f"\n{'last minute':12} {'count':>6} {'errors':>7} {'refused':>8} {'p50 ms':>8} {'p90 ms':>8} {'p99 ms':>8}")
        for name, m in services.measured(place, 60).items():
            print(f"{name:12} {m['count']:6} {m['errors']:7} {m['refused']:8} {m['p50_ms']:8} {m['p90_ms']:8} {m['p99_ms']:8}")


def break_():
    options = arguments(
        "Breaks the shop in one way, and writes down what is true.",
        (["fault"], {"nargs": "?", "choices": sorted(faults.ALL), "metavar": "NAME"}),
    )
    if not options.fault:
        for name, fault in faults.ALL.items():
            print(f"{name:18} {fault.what}")
        return
    with Place(options.folder).load().locked() as place:
        if options.fault in place.state["faults"]:
            fail(f"{options.fault} is broken already: lab/mend {options.fault}")
        faults.break_(place, options.fault)
    tell(f"broken: {options.fault}: {faults.ALL[options.fault].what}")


def mend():
    options = arguments(
        "Heals one fault, or all.",
        (["fault"], {"nargs": "?", "choices": sorted(faults.ALL), "metavar": "NAME"}),
    )
    with Place(options.folder).load().locked() as place:
        if options.fault and options.fault not in place.state["faults"]:
            fail(f"{options.fault} is not broken")
        for name in [options.fault] if options.fault else list(place.state["faults"]):
            faults.mend(place, name)
            tell(f"mended: {name}")


def main(command):
    try:
        command()
    except RuntimeError as e:
        sys.exit(f"lab: {e}")
    except KeyboardInterrupt:
        sys.exit(130)
