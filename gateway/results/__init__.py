"""Rows out: a batch's answers as pages of JSON, NDJSON, CSV or Parquet, whole or in part, from Redis or from the store.

Nothing here makes an answer: it only gives what workers have written.
"""
