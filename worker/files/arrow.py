"""Arrow in a process of the batch lane: one core, and no memory set aside.

Its own allocator reserves a gigabyte of addresses with the first byte, which the bound of `worker.restraint` counts.
"""

import pyarrow as pa


def confine_arrow() -> None:
    """Before the process's first use of Arrow."""
    pa.set_memory_pool(pa.system_memory_pool())
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
