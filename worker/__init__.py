"""Celery workers: hold the loaded versions, claim jobs, score in micro-batches, write results, reload while serving.

No HTTP belongs here but that of `worker.webhooks`, which tells receivers how jobs went, and nothing that trains or
promotes: a worker reads version directories and never writes one.
"""
