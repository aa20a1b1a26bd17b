"""Ports for servers: free, and chosen by nobody else between the choice and the bind."""

import contextlib
import itertools
import socket
import subprocess
import sys

from streams.embedded import child_process as process
from streams.embedded.child_process import LOOPBACK, free_ports


def test_ports_are_free_all_different_and_not_given_twice():
    first, second = free_ports(20), free_ports(20)
    assert len({*first, *second}) == 40
    with contextlib.ExitStack() as stack:
        for port in first:
            stack.enter_context(socket.create_server((LOOPBACK, port)))


def test_a_port_that_somebody_listens_on_is_passed_over(monkeypatch):
    monkeypatch.setattr(process, "_steps", itertools.count(7))
    (port,) = free_ports(1)
    monkeypatch.setattr(process, "_steps", itertools.count(7))  # the same stretch once more
    with socket.create_server((LOOPBACK, port)):
        assert free_ports(1) != [port]


def test_processes_that_start_at_the_same_time_choose_other_ports():
    code = "from streams.embedded.child_process import free_ports; print(*free_ports(100))"
    started = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)]
    chosen = [port for each in started for port in each.communicate(timeout=60)[0].split()]
    assert len(set(chosen)) == 400
