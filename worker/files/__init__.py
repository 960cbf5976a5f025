"""Chunks of uploaded files: read by reference, checked and scored as arrays, answered as parts in the store.

Only this package knows pyarrow, and it is imported when the first chunk of a file comes: a worker that never sees one
stays as small as before.
"""
