"""`rhizome completion`: the script that makes a shell complete subcommands and options."""

import click
from click.shell_completion import get_completion_class

_VARIABLE = "_RHIZOME_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
      bash  eval "$(rhizome completion bash)"        in ~/.bashrc
      zsh   eval "$(rhizome completion zsh)"         in ~/.zshrc
      fish  rhizome completion fish | source         in ~/.config/fish/config.fish
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"there is no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "rhizome", _VARIABLE).source())
