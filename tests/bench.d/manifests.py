"""Writes the stacks that are deployed: many small objects, or many pods."""

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: config-{n}, namespace: {namespace}, labels: {{app: app-{n}}}}}
data:
  APPLICATION_PORT: "8080"
  LOG_LEVEL: info
  application.properties: |
    name=app-{n}
    retries=3
"""

SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: app-{n}, namespace: {namespace}, labels: {{app: app-{n}}}}}
spec:
  selector: {{app: app-{n}}}
  ports:
    - {{name: http, port: 80, targetPort: 8080}}
"""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: app-{n}, namespace: {namespace}, labels: {{app: app-{n}}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: app-{n}}}}}
  template:
    metadata: {{labels: {{app: app-{n}}}}}
    spec:
      containers:
        - name: app
          image: nginx:1.27
          ports: [{{name: http, containerPort: 8080}}]
          envFrom: [{{configMapRef: {{name: config-{n}}}}}]
          env: [{{name: POD_NAME, valueFrom: {{fieldRef: {{fieldPath: metadata.name}}}}}}]
          readinessProbe: {{httpGet: {{path: /healthz, port: http}}, periodSeconds: 5}}
          resources:
            requests: {{cpu: 10m, memory: 16Mi}}
            limits: {{memory: 64Mi}}
"""

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {{name: {namespace}}}\n"


def write(folder, kinds, namespaces=10):
    """Writes `{template: count}` objects, one per file, spread evenly over the namespaces."""
    folder.mkdir(parents=True)
    for place in range(namespaces):
        (folder / f"00-{name(place)}.yaml").write_text(NAMESPACE.format(namespace=name(place)))
    for number, (template, count, replicas) in enumerate(kinds):
        for place in range(count):
            # The objects of one application share a number and a namespace.
            text = template.format(n=place, namespace=name(place % namespaces), replicas=replicas)
            (folder / f"{number + 1}-{place:03}.yaml").write_text(text)


def name(place):
    return f"team-{place}"


def five_hundred(folder):
    """250 ConfigMaps, 150 Services and 100 Deployments in ten namespaces."""
    write(folder, [(CONFIG_MAP, 250, 0), (SERVICE, 150, 0), (DEPLOYMENT, 100, 1)])


def pods(folder, deployments, replicas):
    write(folder, [(CONFIG_MAP, deployments, 0), (DEPLOYMENT, deployments, replicas)])
