"""`make chaos`: a real service under ordinary load, disturbed phase by phase; one ledger says whether it stood.

What disturbs is a module each, with its phases in `PHASES`; what they share (load, ledger, recovery, memory) and the
table beside them. Nothing here belongs to the product, and no assertion of the other tests does to here.
"""
