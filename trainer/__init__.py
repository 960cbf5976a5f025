"""The trainer: turns a dataset into a version, judges it, promotes it, and keeps the schedule (Celery beat).

Here belongs what makes or judges a version: dataset, split, estimators, evaluation, gate, publication, promotion, and
the only code that writes below `models/`. What the worker or the gateway also need belongs in `rhizome`; nothing here
scores a client's job, speaks HTTP, or unpickles (that is `rhizome.artifact`'s). Modules that the resident processes
import (`app`, `tasks`, `schedule`, `run`, `promotion`, `recovery`, `journal`) do not import NumPy or scikit-learn;
`training` and what it needs are imported when a run begins.
"""
