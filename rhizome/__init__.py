"""What the gateway, the worker and the trainer share: settings, errors, the job contract, the job queue, the registry.

Nothing here imports the three services, and only `rhizome.artifact` may unpickle.
"""

__version__ = "0.1.0"
