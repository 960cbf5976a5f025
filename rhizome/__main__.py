"""The `rhizome` command's entry, also `python -m rhizome`; apart from `rhizome.cli`, whose imports may be missing."""

import sys


def main() -> None:
    """Runs the command; a missing package is one clear line."""
    try:
        from rhizome.cli import main as run  # noqa: PLC0415 - this is the import that may fail
    except ModuleNotFoundError as error:
        sys.exit(f"rhizome: the package '{error.name}' is missing; 'make up' installs it (requirements/runtime.txt)")
    run()


if __name__ == "__main__":
    main()
