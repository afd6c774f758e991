"""The microservices beside a plain nginx, a plain PostgreSQL query and one client that inserts."""

import http.client
import json
import os
import re
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import rig
import servers
from measure import Sample, run
from servers import answers, free_port, is_open, sql, until

NAMES = ("api-gateway", "billing-app", "inventory-app")
# Seconds that each is under load in a round, and how many requests are under way.
SECONDS, CONNECTIONS = 4, 32
# The connections that the inventory keeps to PostgreSQL.
POOL = 10
PATH = "/api/movies?limit=20"
MOVIES = "INSERT INTO movies (title, description) SELECT 'Movie ' || n, repeat('x', 100) FROM generate_series(1, 100) n"
SELECT = (
    "SELECT id, title, description FROM movies WHERE position(lower('') IN lower(title)) > 0 ORDER BY id LIMIT 20;\n"
)
INSERT = (
    "INSERT INTO orders (user_id, number_of_items, total_amount, message_id) "
    "VALUES ('20', 8, 180, gen_random_uuid()::text);\n"
)
ORDERS = 20_000
ORDER = json.dumps({"user_id": "20", "number_of_items": "8", "total_amount": "180"})
# Of each quarter of the orders, in their order.
SPENT = (
    "SELECT count(*), extract(epoch FROM max(received_at) - min(received_at)) "
    "FROM (SELECT received_at, ntile(4) OVER (ORDER BY id) AS quarter FROM orders) AS all_orders "
    "GROUP BY quarter ORDER BY quarter"
)


def services(table, setup):
    binaries = build(setup.repository)
    with servers.servers() as all_of_them:
        one = Services(all_of_them, binaries)
        movies(table, setup, one)
        orders(table, one)
        started(table, setup, one)
        with rig.engine(setup.repository) as engine:
            containers(table, setup, one, engine)


def build(repository):
    """The binaries, linked as their Dockerfiles have them."""
    target = subprocess.run(["rustc", "--print", "host-tuple"], check=True, capture_output=True, text=True).stdout.strip()
    environment = os.environ | {"RUSTFLAGS": "-C target-feature=+crt-static"}
    packages = [word for name in NAMES for word in ("-p", name)]
    command = ["cargo", "build", "--quiet", "--release", "--locked", "--target", target, *packages]
    subprocess.run(command, check=True, cwd=repository, env=environment)
    return repository / "target" / target / "release"


class Services:
    """Where each service finds what it needs."""

    def __init__(self, all_of_them, binaries):
        self.all, self.binaries = all_of_them, binaries
        self.postgres, self.rabbitmq, self.inventory = all_of_them.postgres(), all_of_them.rabbitmq(), free_port()
        for database in ("inventory", "orders"):
            sql(self.postgres, "postgres", f"CREATE DATABASE {database}")

    def environment(self, name, port):
        database = {
            "DATABASE_HOST": "127.0.0.1",
            "DATABASE_PORT": str(self.postgres),
            "DATABASE_NAME": "inventory" if name == "inventory-app" else "orders",
            "DATABASE_USER": servers.USER,
            "DATABASE_PASSWORD": servers.PASSWORD,
        }
        broker = {
            "RABBITMQ_HOST": "127.0.0.1",
            "RABBITMQ_PORT": str(self.rabbitmq),
            "RABBITMQ_QUEUE": "billing",
            "RABBITMQ_USER": servers.USER,
            "RABBITMQ_PASSWORD": servers.PASSWORD,
        }
        inventory = {"INVENTORY_URL": f"http://127.0.0.1:{self.inventory}"}
        return database | broker | inventory | {"PORT": str(port)}

    def start(self, name, port=None):
        port = port or free_port()
        process = self.all.start(f"{name}-{port}", [self.binaries / name], self.environment(name, port))
        return process, port

    def ready(self, name, port=None):
        """Starts a service and waits until it has what it needs; returns its port."""
        _, port = self.start(name, port)
        until(name, lambda: answers(port, "/health/ready"))
        return port


def movies(table, setup, one):
    """The same rows by four ways, in turn: so that what else the machine does falls on all of them."""
    inventory = one.ready("inventory-app", one.inventory)
    sql(one.postgres, "inventory", MOVIES)
    gateway, nginx = one.ready("api-gateway"), one.all.nginx(inventory)
    url = "http://127.0.0.1:{}" + PATH
    ways = {
        f"`pgbench`, the same SELECT on {POOL} connections": lambda: pgbench(one, "inventory", SELECT, POOL),
        "inventory-app": lambda: wrk(url.format(inventory)),
        "nginx before inventory-app": lambda: wrk(url.format(nginx)),
        "api-gateway before inventory-app": lambda: wrk(url.format(gateway)),
    }
    figures = {what: [] for what in ways}
    for turn in range(setup.rounds + 1):
        for what, load in ways.items():
            figure = load()
            if turn:  # the first is to warm up
                figures[what].append(figure)
    table.put(f"**20 of 100 movies**, {CONNECTIONS} requests under way", "requests/s; the 99th percentile")
    for what, measured in figures.items():
        rates, latencies = zip(*measured)
        spread = f"{min(rates):.0f}-{max(rates):.0f}"
        table.put(what, f"{statistics.median(rates):.0f}/s; {statistics.median(latencies):.1f} ms", spread=spread)
    _, _, plain, ours = figures.values()
    table.put("gateway over nginx: requests/s", ratio(ours, plain, 0), aim="0.5")
    table.put("gateway over nginx: 99th percentile", ratio(ours, plain, 1), aim="at most 2")


def ratio(ours, theirs, part):
    return f"{statistics.median(mine[part] / other[part] for mine, other in zip(ours, theirs)):.2f}"


def wrk(url):
    """Requests per second, and how many ms 99 of 100 took at most."""
    command = ["wrk", "--threads", "1", "--connections", CONNECTIONS, "--duration", f"{SECONDS}s", "--latency", url]
    said = run(command, "/", {"PATH": os.environ["PATH"]}).output
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"not all of {url} was answered:\n{said}")
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", said).groups()
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", said).group(1))
    return rate, float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def pgbench(one, database, script, clients):
    """Transactions per second, and how many ms 99 of 100 took at most."""
    file, log = one.all.folder / "script.sql", one.all.folder / "pgbench"
    file.write_text(script)
    command = ["pgbench", "--no-vacuum", "--protocol", "prepared", "--client", clients, "--time", SECONDS]
    command += ["--file", file, "--log", "--log-prefix", log]
    said = run(command, one.all.folder, servers.client(one.postgres, database)).output
    latencies = []
    for path in one.all.folder.glob("pgbench.*"):
        latencies += [int(line.split()[2]) / 1000 for line in path.read_text().splitlines()]
        path.unlink()
    rate = float(re.search(r"tps = ([\d.]+) \(without", said).group(1))
    return rate, statistics.quantiles(latencies, n=100)[98]


def orders(table, one):
    """Orders that wait in the queue, until their rows are there."""
    process, port = one.start("billing-app")
    until("the table of orders", lambda: answers(port, "/health/ready"))
    servers.end(process)
    gateway = one.ready("api-gateway")
    began = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: order(gateway, ORDERS // 8), range(8)))
    accepted = ORDERS / (time.perf_counter() - began)
    one.ready("billing-app")
    wait = f"DO $$ BEGIN WHILE (SELECT count(*) FROM orders) < {ORDERS} LOOP PERFORM pg_sleep(0.1); END LOOP; END $$"
    sql(one.postgres, "orders", f"SET statement_timeout = '180s'; {wait}")
    quarters = [line.split("|") for line in sql(one.postgres, "orders", SPENT).splitlines()]
    count, seconds = sum(int(count) for count, _ in quarters), [float(seconds) for _, seconds in quarters]
    if count != ORDERS:
        raise SystemExit(f"{count} rows of {ORDERS} orders")
    billed = ORDERS / sum(seconds)
    alone, _ = pgbench(one, "orders", INSERT, 1)
    table.put(f"**{ORDERS} orders** in the queue, one consumer", "")
    table.put("gateway: confirmed by the broker, asked by 8 clients in Python", f"{accepted:.0f}/s")
    table.put("billing-app: taken, committed, acknowledged one by one", f"{billed:.0f}/s")
    table.put("`pgbench`, one client that inserts such rows", f"{alone:.0f}/s")
    table.put("billing-app over `pgbench`", f"{billed / alone:.2f}")
    table.put("billing-app: its last quarter over its first", f"{seconds[0] / seconds[-1]:.2f}", aim="1")


def order(port, count):
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for _ in range(count):
        connection.request("POST", "/api/billing", ORDER, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        words = answer.read()
        if answer.status != 200:
            raise SystemExit(f"an order was refused: {words}")
    connection.close()


def started(table, setup, one):
    """A process, until it listens."""
    table.put("**start-up**", "")
    for name in NAMES:
        samples = []
        for _ in range(setup.rounds):
            port, began = free_port(), time.perf_counter()
            process, _ = one.start(name, port)
            until(name, lambda: is_open(port), every=0.0002)
            samples.append(Sample(time.perf_counter() - began, 0, ""))
            servers.end(process)
        table.add(f"{name}: until it listens", samples)


def containers(table, setup, one, engine):
    """The last stage of each Dockerfile around the binary; the first, which compiles it, needs Docker Hub."""
    for name in NAMES:
        image, folder = f"orchestrator-bench/{name}", one.all.folder / f"image-{name}"
        folder.mkdir()
        (folder / name).write_bytes((one.binaries / name).read_bytes())
        (folder / name).chmod(0o755)
        dockerfile = (setup.repository / "Dockerfiles" / name / "Dockerfile").read_text()
        stage = dockerfile[dockerfile.index("FROM scratch"):]
        (folder / "Dockerfile").write_text(stage.replace("COPY --from=build /", "COPY "))
        docker(engine, "build", "--quiet", "--tag", image, folder)
        samples = [container(one, engine, name, image) for _ in range(setup.rounds)]
        size = int(docker(engine, "image", "inspect", "--format", "{{.Size}}", image)) / 1e6
        docker(engine, "rmi", "--force", image)
        table.add(f"{name}: `docker start`, until it is live; image of {size:.1f} MB", samples)


def container(one, engine, name, image):
    port = free_port()
    variables = [word for pair in one.environment(name, port).items() for word in ("--env", "=".join(pair))]
    made = docker(engine, "create", "--network", "host", *variables, image).strip()
    began = time.perf_counter()
    docker(engine, "start", made)
    until(name, lambda: answers(port, "/health/live"), every=0.001)
    wall = time.perf_counter() - began
    docker(engine, "rm", "--force", made)
    return Sample(wall, 0, "")


def docker(engine, *words):
    command = ["docker", "--host", f"unix://{engine}/docker.sock", *words]
    return run(command, "/", {"PATH": os.environ["PATH"], "DOCKER_BUILDKIT": "0"}).output
