"""What the microservices need and are measured beside: each a process on loopback that ends with the measurement."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

POSTGRES = Path("/usr/lib/postgresql/15/bin")
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
USER, PASSWORD = "bench", "a-password-of-the-benchmark"
BROKER = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = {user}
default_pass = {password}
loopback_users = none
disk_free_limit.absolute = 10MB
log.console = true
log.file = false
"""
# As many workers as the gateway has threads, and connections that are kept, as the gateway does.
NGINX = """\
worker_processes 2;
error_log stderr;
pid {folder}/nginx.pid;
daemon off;
events {{ worker_connections 1024; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    keepalive_requests 1000000;
    upstream inventory {{ server 127.0.0.1:{inventory}; keepalive 64; keepalive_requests 1000000; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://inventory; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


class Servers:
    def __init__(self, folder, ends):
        self.folder, self.ends = folder, ends
        # PostgreSQL does not run as root.
        self.account = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name

    def start(self, name, command, environment=None, **options):
        """Starts a process that writes into a file, and is ended at last. In a session of its own, because Linux divides
        processors among sessions (sched_autogroup), of which PostgreSQL makes one for each connection."""
        log = (self.folder / f"{name}.log").open("w")
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"} | (environment or {})
        process = subprocess.Popen(
            [str(word) for word in command], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, **options
        )
        self.ends.callback(end, process)
        return process

    def postgres(self):
        """A server as Debian configures it, on its disk; returns its port."""
        port, data = free_port(), self.folder / "postgres"
        data.mkdir()
        password = self.folder / "password"
        password.write_text(PASSWORD)
        for path in (data, password):
            shutil.chown(path, self.account)
        as_account = {"user": self.account, "extra_groups": [], "cwd": "/"} if os.geteuid() == 0 else {}
        make = [POSTGRES / "initdb", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
        make += ["--username", USER, "--pwfile", password, "--pgdata", data]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, **as_account)
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        self.start("postgres", [POSTGRES / "postgres", "-D", data, "-p", port, *settings], **as_account)
        until("PostgreSQL", lambda: sql(port, "postgres", "SELECT 1", check=False) == "1")
        return port

    def rabbitmq(self):
        """A broker; returns its port."""
        port, mapper, folder = free_port(), free_port(), self.folder / "rabbitmq"
        folder.mkdir()
        (folder / "rabbitmq.conf").write_text(BROKER.format(port=port, user=USER, password=PASSWORD))
        (folder / "enabled_plugins").write_text("[].")
        self.start("epmd", ["epmd", "-address", "127.0.0.1", "-port", mapper])
        environment = {
            "HOME": folder,
            "RUNNING_UNDER_SYSTEMD": "1",  # no shell between us and the broker
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": mapper,
            "RABBITMQ_NODENAME": f"bench{port}@localhost",
            "RABBITMQ_DIST_PORT": free_port(),
            "RABBITMQ_CONFIG_FILE": folder / "rabbitmq.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": folder / "enabled_plugins",
            "RABBITMQ_MNESIA_BASE": folder / "data",
            "RABBITMQ_LOG_BASE": folder / "log",
            "RABBITMQ_PID_FILE": folder / "pid",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        self.start("rabbitmq", [RABBITMQ], {name: str(value) for name, value in environment.items()})
        until("RabbitMQ", lambda: is_open(port))
        return port

    def nginx(self, inventory):
        """A proxy in front of the inventory; returns its port."""
        port, folder = free_port(), self.folder / "nginx"
        folder.mkdir()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port, inventory=inventory))
        self.start("nginx", ["nginx", "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"])
        until("nginx", lambda: is_open(port))
        return port


@contextmanager
def servers():
    """Servers that are gone afterwards, the last one first."""
    folder = Path(tempfile.mkdtemp(prefix="orchestrator-bench-"))
    folder.chmod(0o755)
    try:
        with ExitStack() as ends:
            yield Servers(folder, ends)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def end(process):
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def sql(port, database, text, check=True):
    """What PostgreSQL answers."""
    command = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", "-v", "ON_ERROR_STOP=1", "--command", text]
    ended = subprocess.run(command, env=client(port, database), capture_output=True, text=True)
    if check and ended.returncode != 0:
        raise SystemExit(f"`{text}`: {ended.stderr}")
    return ended.stdout.strip()


def client(port, database):
    """The environment of psql and pgbench."""
    names = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGDATABASE": database, "PGUSER": USER, "PGPASSWORD": PASSWORD}
    return names | {"PATH": os.environ["PATH"]}


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def is_open(port):
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def answers(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status == 200
    except (urllib.error.URLError, ConnectionError):
        return False


def until(what, seen, within=60, every=0.02):
    deadline = time.monotonic() + within
    while not seen():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what}: not within {within} s")
        time.sleep(every)
