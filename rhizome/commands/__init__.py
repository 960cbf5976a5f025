"""The subcommands of `rhizome`, one module each or a few that belong together, imported when they are called.

What speaks HTTP goes through `rhizome.client` and needs only what the extra `client` installs. Results go to standard
output, messages, progress and errors to standard error.
"""
