"""What the processes of a stack are called."""

import pytest

from benchmarks.process_tree import Stat
from benchmarks.roles import assign_roles, name_role


def build_stat(pid: int, parent: int) -> Stat:
    return Stat(pid=pid, parent=parent, session=1, cpu_ticks=0, start_ticks=0, is_zombie=False)


@pytest.mark.parametrize(
    ("command", "role"),
    [
        ("python -m gateway", "gateway"),
        ("python -m worker", "worker"),
        ("python -m worker webhooks", "deliverer"),
        ("python -m trainer beat", "beat"),
        ("python -m rhizome up", "supervisor"),
        ("python -c spawn_main()", None),
        ("valkey-server 127.0.0.1:1", None),
        ("python -m", None),
    ],
)
def test_a_role_is_read_from_the_command_line(command: str, role: str | None):
    assert name_role(command.split()) == role


def test_a_process_without_a_role_has_its_parents_or_else_the_services():
    members = [build_stat(1, 0), build_stat(2, 1), build_stat(3, 2), build_stat(9, 0)]

    grouped = assign_roles(members, {1: None, 2: "gateway", 3: None, 9: None}, "rhizome")

    assert {role: [stat.pid for stat in stats] for role, stats in grouped.items()} == {
        "rhizome": [1, 9],
        "gateway": [2, 3],
    }
