"""Files in: a request's body goes block by block through decompression, a look at its head, and into the store.

Nothing here holds more than a few blocks of a body, and nothing here knows the values of rows: workers read them.
"""
