"""What is said where debug mode reaches further than this machine."""

from __future__ import annotations

import socket

import pytest

import quartish
from quartish import serving
from quartish._loopback import is_loopback
from quartish._loopback import warn_of_debug_mode


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::1%lo", "", "testclient"])
def test_this_machine(address: str) -> None:
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7", "fe80::1%eth0"])
def test_others(address: str) -> None:
    assert not is_loopback(address)


@pytest.mark.parametrize(("host", "loud"), [("127.0.0.1", False), ("0.0.0.0", True)])
def test_a_socket_in_debug_mode(host: str, loud: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server((host, 0)) as sock:
        warn_of_debug_mode(sock)
    said = capsys.readouterr().err
    assert ("DEBUG MODE ON 0.0.0.0" in said) is loud
    assert not loud or ("--host" in said and "--debug" in said)


def test_a_unix_socket(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        warn_of_debug_mode(sock)
    assert not capsys.readouterr().err


@pytest.mark.parametrize("debug", [True, False])
def test_the_server_says_it(
    debug: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serving, "_serve_in_loop", lambda *args: None)
    app = quartish.Flask("app")
    serving.run(app, "0.0.0.0", 0, debug=debug)
    assert ("WARNING: DEBUG MODE ON 0.0.0.0" in capsys.readouterr().err) is debug


def test_a_server_without_a_debugger_has_no_console(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "_serve_in_loop", lambda *args: None)
    for options, console in (
        ({}, True),
        ({"use_evalex": True}, True),
        ({"use_evalex": False}, False),
    ):
        app = quartish.Flask("app")
        app.run(port=0, debug=True, use_reloader=False, **options)  # type: ignore[arg-type]
        assert app.config["DEBUGGER"] is console
