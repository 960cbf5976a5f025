"""The job queue on Redis Streams: submitting and reading (the gateway's side), claiming and finishing (the worker's).

Every change of a job is one Lua script, so it happens whole or not at all; `common.lua` precedes each of them. The
stream holds the jobs; Celery only delivers the wake-ups (bells). Nothing here knows HTTP or scikit-learn.
"""
