"""`python -m rhizome`: the same as the `rhizome` command."""

from rhizome.cli import main

main()
