"""`make chaos`: a real service under ordinary load, disturbed phase by phase; one ledger says whether it stood.

Each kind of disturbance has a module, with its phases; beside them is what all share: users, load, ledger, oracle,
stage, memory and table. Tests of one fault alone do not belong here, they are next door.
"""
