"""The `rhizome` command: which subcommands there are. Each is a module of its own, imported when it is called.

So `rhizome up` does not pay for an HTTP client, and the commands that speak HTTP work where only the client is
installed.
"""

import sys
from importlib import import_module
from typing import NamedTuple

import click

from rhizome import __version__


class _Entry(NamedTuple):
    """Where a subcommand is, and its line in the overview."""

    module: str
    summary: str


COMMANDS = {
    "up": _Entry("up", "Run the whole service on this machine until Ctrl-C."),
    "predict": _Entry("predict", "Predict one sample."),
    "batch": _Entry("batch", "Predict the rows of a file."),
    "result": _Entry("jobs", "Show a job, or save its answers."),
    "cancel": _Entry("jobs", "Cancel a job that is not final."),
    "health": _Entry("service", "Show how the service is."),
    "models": _Entry("service", "List the versions."),
    "train": _Entry("training", "Train a version now, and promote it if the gate lets it pass."),
    "promote": _Entry("training", "Make a version the champion."),
    "rollback": _Entry("training", "Put the previous champion back."),
    "completion": _Entry("completion", "Print a shell's completion script."),
}
_CLIENT_PACKAGES = {"httpx", "tqdm"}


class LazyGroup(click.Group):
    """Knows its commands by name, and imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a newcomer's day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A stand-in with the summary: enough for the overview and for completion."""
        entry = COMMANDS.get(cmd_name)
        return click.Command(cmd_name, short_help=entry.summary) if entry else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command itself, from its module."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name in COMMANDS else command, rest


def load_command(name: str) -> click.Command:
    """Imports a subcommand; a missing package is one clear line and the end of the process."""
    try:
        module = import_module(f"rhizome.commands.{COMMANDS[name].module}")
    except ModuleNotFoundError as error:
        remedy = "'pip install .[client]', or 'make up'" if error.name in _CLIENT_PACKAGES else "'make up'"
        sys.exit(f"rhizome: the package '{error.name}' is missing; {remedy} installs it")
    command: click.Command = getattr(module, name)
    return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rhizome")
def main() -> None:
    """Rhizome: an asynchronous prediction service for scikit-learn models that keeps its own model healthy.

    Settings are environment variables RHIZOME_*; ARCHITECTURE.md lists them. Commands that ask a service find it by
    --url, by RHIZOME_URL, or in this folder; train, promote and rollback ask one where an address is given, and
    otherwise act beside the service of this folder. The admin key is RHIZOME_ADMIN_KEY; this folder's own service gets
    the one in var/admin_key.

    \b
    Exit codes: 0 done
                1 the job, or the service, failed
                2 wrong usage
                3 no such job or version, or its time is over; train, promote: refused by the gate
                4 the input cannot be accepted
                5 the service cannot be reached, or is too busy
                6 the admin key is missing or wrong
                7 not finished in time
              130 interrupted
    """
