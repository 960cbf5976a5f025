"""Fitted estimators called without scikit-learn's layers: the same operations on the same arrays in the same order.

A pipeline checks its input at every step of every call: a third of a millisecond for a product that takes 10 us, and a
forest hands its trees to a thread pool. Our rows were checked when they came. What scikit-learn's sources (1.9) show of
its own types belongs here, one kind of them a module; every other estimator is called as before. Not imported by the
gateway.
"""
