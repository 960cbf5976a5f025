"""Chunks of uploaded files: read by reference, checked and scored as arrays, answered as parts in the store.

Only this package knows pyarrow, and it is imported when the first chunk of a file comes: a worker that never sees one
stays as small as before.
"""

import csv
import sys

#: The module's bound is the process's: a cell as long as its chunk, or the name of a class, must not come apart.
csv.field_size_limit(sys.maxsize)
