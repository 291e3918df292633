"""Where a lab lives: its folder, its ports, and the processes that it started.

Everything that is known is in `state.json`, so that each command finds what an earlier one started. A process is
known by its id and the time of its start: an id that somebody else has by now is never signalled.
"""

import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

MARK = "midwatch-lab"


def fail(message):
    sys.exit(f"lab: {message}")


def default_folder():
    """Not below a home: that of root cannot be entered by the user that the processes run as."""
    return Path(os.environ.get("LAB_FOLDER", f"/var/tmp/midwatch-lab-{os.getuid()}"))


def owner():
    """Who the processes run as: `nobody` if root starts the lab, for PostgreSQL refuses to run as root."""
    return pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())


def start_time(pid):
    """Ticks from boot to the start of a process that lives; None if it does not."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])


class Place:
    """A folder with `state.json`."""

    def __init__(self, folder=None):
        self.folder = Path(folder or default_folder())
        self.owner = owner()
        self.state = {"ports": {}, "processes": {}, "faults": {}}

    @property
    def file(self):
        return self.folder / "state.json"

    def exists(self):
        return self.file.exists()

    def load(self):
        if not self.exists():
            fail(f"no lab in {self.folder}: `make lab` or lab/up starts one")
        if self.folder.stat().st_uid != os.getuid():
            fail(f"{self.folder} belongs to somebody else")
        self.state = json.loads(self.file.read_text())
        return self

    def save(self):
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(self.state, indent=1) + "\n")
        new.replace(self.file)

    @contextmanager
    def locked(self):
        """One command at a time may change what runs."""
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.load()
            yield self
            self.save()

    def make(self):
        """A new, empty place; what an earlier lab left there goes, if nothing of it runs."""
        if self.folder.exists():
            if not (self.folder / MARK).exists() and any(self.folder.iterdir()):
                fail(f"{self.folder} is not empty and not of a lab; LAB_FOLDER names another")
            if self.folder.is_symlink() or self.folder.stat().st_uid != os.getuid():
                fail(f"{self.folder} belongs to somebody else; LAB_FOLDER names another")
            if self.exists():
                self.load()
                if any(self.alive(name) for name in self.state["processes"]):
                    fail("a lab runs already: lab/status shows it, lab/down ends it")
                self.unmount()
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True, mode=0o755)
        (self.folder / MARK).write_text("This folder may be removed when no lab runs.\n")
        self.state = {"ports": {}, "processes": {}, "faults": {}, "mounts": []}
        self.subfolder("logs")
        self.save()

    def subfolder(self, name):
        """A folder that the processes may write into."""
        path = self.folder / name
        path.mkdir(parents=True, exist_ok=True)
        self.give(path)
        return path

    def give(self, path):
        if os.getuid() == 0:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        self.give(path)
        return path

    def port(self, name):
        """A port of loopback that was free, the same for the same name."""
        ports = self.state["ports"]
        while name not in ports:
            with socket.socket() as s:
                s.bind(("127.0.0.1", 0))
                free = s.getsockname()[1]
            if free not in ports.values():
                ports[name] = free
        return ports[name]

    def address(self, name):
        return f"127.0.0.1:{self.port(name)}"

    def as_owner(self):
        """Arguments of `subprocess` for the user that the processes run as."""
        if os.getuid() != 0:
            return {}
        return {"user": self.owner.pw_uid, "group": self.owner.pw_gid, "extra_groups": []}

    def run(self, argv, **more):
        """A command that ends by itself, as the owner; its output, or the end of the lab."""
        more.setdefault("timeout", 120)
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", **more.pop("env", {})}
        done = subprocess.run(
            argv, env=env, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            **self.as_owner(), **more,
        )
        if done.returncode != 0:
            raise RuntimeError(f"{argv[0]} failed ({done.returncode}): {done.stdout[-800:]}")
        return done.stdout

    def spawn(self, name, argv, env=None):
        """A process that goes on; what it says goes to logs/NAME.log."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8", "TZ": "UTC", **(env or {})}
        log = self.folder / "logs" / f"{name}.log"
        with open(log, "ab") as out:
            self.give(log)
            child = subprocess.Popen(
                [str(a) for a in argv], env=env, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out,
                stderr=subprocess.STDOUT, start_new_session=True,
                # A write over a limit of size is to fail, not to kill.
                restore_signals=False, **self.as_owner(),
            )
        self.state["processes"][name] = {
            "pid": child.pid, "started": start_time(child.pid), "argv": [str(a) for a in argv], "env": env,
        }
        self.save()

    def pid(self, name):
        return self.state["processes"][name]["pid"]

    def alive(self, name):
        process = self.state["processes"].get(name)
        return process is not None and start_time(process["pid"]) == process["started"] is not None

    def send(self, name, number):
        if self.alive(name):
            os.kill(self.pid(name), number)

    def stop(self, name, number=signal.SIGTERM, timeout_s=10):
        """Ends a process: asked first, killed when it does not."""
        self.send(name, number)
        until = time.monotonic() + timeout_s
        while self.alive(name) and time.monotonic() < until:
            self.reap()
            time.sleep(0.05)
        self.send(name, signal.SIGKILL)
        self.reap()

    def restart(self, name, env=None, argv=None):
        process = self.state["processes"][name]
        self.stop(name)
        self.spawn(name, argv or process["argv"], {**process["env"], **(env or {})})

    @staticmethod
    def reap():
        """Children that ended are gone for good only when asked for."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass

    def unmount(self):
        for path in self.state.get("mounts", []):
            subprocess.run(["umount", path], stderr=subprocess.DEVNULL)
        self.state["mounts"] = []


def wait_for(what, test, timeout_s=30, every_s=0.2):
    """Until `test` gives something true, which is given back; its errors count as not yet."""
    until = time.monotonic() + timeout_s
    last = None
    while time.monotonic() < until:
        try:
            if found := test():
                return found
        except Exception as e:  # noqa: BLE001: whatever it is, it may pass
            last = e
        time.sleep(every_s)
    raise RuntimeError(f"{what}: not within {timeout_s} s{f' ({last})' if last else ''}")
