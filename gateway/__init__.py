"""HTTP in, job out: a thin Flask gateway.

Never imports scikit-learn, NumPy, pandas, joblib or Celery, the worker or the trainer: what it must know of a version
it reads from the manifest. Routes decode, delegate and encode; the work is in `rhizome`.
"""
