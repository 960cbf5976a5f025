"""Benchmarks: how many jobs a second Rhizome finishes, beside a plain Flask + gunicorn + Celery stack.

What belongs here: a load generator, the stacks it is turned on, and the run that compares them. Nothing of
the product imports this package, and it talks to the product over HTTP alone.
"""
