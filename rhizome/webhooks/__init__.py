"""Webhooks: which receivers are acceptable, how a message is signed, and the outbox that holds what is yet to be sent.

The scripts of the job queue put events into the outbox in the moment they happen; the deliverer (`worker.webhooks`)
takes them out. Nothing here opens a connection but to Redis.
"""
