"""Faults of the shop's own processes: by deployment, configuration and limits where that is possible, else by the
admin address of one process."""

import os
import resource

from . import services, web
from .place import wait_for


def leak_connections(place, kept):
    services.admin(place, "checkout", "connections?leak=1")


def return_connections(place, kept):
    services.admin(place, "checkout", "connections?leak=0")


def leak_memory(place, kept):
    services.admin(place, "cart", "leak?kib=2048")


def restart_cart(place, kept):
    place.restart("cart")
    wait_for("cart", lambda: services.stats(place, "cart"))


def hog(place, kept):
    services.admin(place, "catalogue", "hog?percent=80")


def end_hog(place, kept):
    services.admin(place, "catalogue", "hog?percent=0")


def fill_disk(place, kept):
    """A file that takes all of the tmpfs; where there is none, a limit of file size for the process (EFBIG)."""
    if place.state["spool"] == "tmpfs":
        with open(place.folder / "spool" / "core.4711", "wb", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
            except OSError:
                pass
    else:
        resource.prlimit(place.pid("mailer"), resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))


def free_disk(place, kept):
    if place.state["spool"] == "tmpfs":
        (place.folder / "spool" / "core.4711").unlink(missing_ok=True)
    else:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(place.pid("mailer"), resource.RLIMIT_FSIZE, unlimited)


def deploy(place, version):
    path = services.release(place, version)
    place.restart("checkout", services.environment(place, "checkout", version), [path, "checkout"])
    wait_for("checkout", lambda: services.stats(place, "checkout")["version"] == version)


def deploy_bad(place, kept):
    deploy(place, "1.4.2")


def roll_back(place, kept):
    deploy(place, services.VERSION)


def configure(place, values):
    for (service, name), value in values.items():
        web.put_config(place, service, name, value)


def back(place, *names):
    configure(place, {name: services.SETTINGS[name] for name in names})


def storm(place, kept):
    configure(place, {("gateway", "catalogue_timeout_ms"): 2, ("gateway", "catalogue_retries"): 8})


def calm(place, kept):
    back(place, ("gateway", "catalogue_timeout_ms"), ("gateway", "catalogue_retries"))


def flood(place, kept):
    configure(place, {("worker", "poll_ms"): 4, ("worker", "log_level"): "debug"})


def quiet(place, kept):
    back(place, ("worker", "poll_ms"), ("worker", "log_level"))


def write_clock(place, text):
    """The library that stands before the clock reads this file again every two seconds."""
    if not services.faketime():
        raise RuntimeError("libfaketime is not installed: `scripts/setup lab` installs what the lab needs")
    new = place.write("clock.new", text)
    os.replace(new, place.folder / "clock")


def step_clock(place, kept):
    write_clock(place, "-90\n")


def set_clock(place, kept):
    write_clock(place, "+0\n")


def lose(place, kept):
    services.link(place, 40)


def lose_nothing(place, kept):
    services.link(place, 0)
