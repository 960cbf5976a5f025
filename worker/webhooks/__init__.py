"""The deliverer: a Celery worker of threads that takes events out of the outbox and posts them to their receivers.

A process of its own, beside those that score, so that a slow receiver costs no prediction anything. No scikit-learn
and no NumPy belong here; it is small enough to run anywhere.
"""
