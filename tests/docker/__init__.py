"""The compose stack, run for real, from building the images to `docker compose down`.

A program of its own (`tests/docker/run`) with the standard library alone: it runs on a machine that has nothing but
Docker and Python.
"""
