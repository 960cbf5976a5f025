"""gunicorn's settings for the baseline: two processes of threads, keep-alive, no access log."""

import os

wsgi_app = "benchmarks.baseline.app:create_app()"
bind = f"127.0.0.1:{os.environ['BASELINE_PORT']}"
worker_class = "gthread"
workers = int(os.environ.get("BASELINE_WEB_PROCESSES", "2"))
threads = int(os.environ.get("BASELINE_WEB_THREADS", "32"))
worker_connections = 1000
keepalive = 75  # seconds; clients reuse their connections
loglevel = "warning"
control_socket_disable = True
