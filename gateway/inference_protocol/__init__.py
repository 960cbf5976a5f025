"""The Open Inference Protocol (V2) over HTTP: tensors in, tensors out, over the same queue as every other job.

What belongs here speaks the protocol's words; what a job is, and how it is submitted, is the rest of the gateway's.
"""
