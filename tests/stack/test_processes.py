"""Processes are known again for certain: none of ours survives, no stranger is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hub.stack import processes
from hub.stack.processes import MARK, Kin, Launch, Proc


def started(argv: list[str], mark: str, log: Path, **env: str) -> subprocess.Popen[bytes]:
    return processes.start(Launch(argv, {"PATH": os.environ["PATH"], **env}, log.parent), mark, log)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def soon(what: Callable[[], object]) -> bool:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.02)
    return False


def ended(pid: int) -> bool:
    found = processes.identify(pid)
    return found is None or not processes.alive(found)


def test_a_process_is_known_by_id_and_birth(tmp_path: Path) -> None:
    child = started(["sleep", "60"], "birth/1", tmp_path / "log")
    proc = processes.identify(child.pid)
    assert proc is not None and processes.alive(proc)
    stranger = Proc(proc.pid, proc.born - 100)
    assert not processes.alive(stranger)
    assert not processes.send(stranger, signal.SIGKILL)
    processes.stop(Kin("birth/other", stranger), number=signal.SIGKILL, grace=1)
    assert child.poll() is None, "a process with our old id, but born at another time, was killed"
    assert processes.stop(Kin("birth/1", proc), number=signal.SIGTERM, grace=5)
    assert child.wait(5) == -signal.SIGTERM


def test_who_ignores_the_signal_is_killed_after_the_grace(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    code = f"import signal,time,pathlib; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    child = started(python(code), "stubborn/1", tmp_path / "log")
    assert soon(ready.exists)
    began = time.monotonic()
    assert not processes.stop(Kin("stubborn/1", processes.identify(child.pid)), number=signal.SIGTERM, grace=0.5)
    assert 0.4 < time.monotonic() - began < 5
    assert child.wait(5) == -signal.SIGKILL


def test_grandchildren_end_with_the_part_even_when_its_first_process_died(tmp_path: Path) -> None:
    """One grandchild opens a session of its own, one wipes its environment as `setproctitle` does."""
    code = (
        "import subprocess,time;"
        "a=subprocess.Popen(['sleep','61'],start_new_session=True);"
        "b=subprocess.Popen(['sleep','62'],env={});"
        "print(a.pid,b.pid,flush=True);time.sleep(60)"
    )
    log = tmp_path / "log"
    child = started(python(code), "family/1", log)
    leader = processes.identify(child.pid)
    assert soon(lambda: len(log.read_text().split()) == 2)
    own_session, wiped = map(int, log.read_text().split())
    child.kill()
    child.wait()
    assert not ended(own_session) and not ended(wiped)
    processes.sweep(Kin("family/1", leader))
    assert ended(own_session) and ended(wiped)


def test_a_session_whose_number_went_to_a_stranger_is_left_alone(tmp_path: Path) -> None:
    child = started(["sleep", "60"], "stranger/1", tmp_path / "log")
    proc = processes.identify(child.pid)
    assert proc is not None
    processes.sweep(Kin("ours/1", Proc(proc.pid, proc.born - 1000)))
    assert child.poll() is None
    child.kill()
    child.wait()


def test_the_mark_of_another_stack_is_not_ours(tmp_path: Path) -> None:
    child = started(["sleep", "60"], "one/kafka", tmp_path / "log")
    processes.sweep(Kin("two/kafka"))
    assert child.poll() is None
    processes.sweep(Kin("one/kafka"))
    assert child.wait(5) == -signal.SIGKILL


def test_a_child_inherits_nothing_but_what_it_is_given(tmp_path: Path) -> None:
    os.environ["HUB_TEST_LEAK"] = "1"
    try:
        log = tmp_path / "log"
        child = started(python("import os; print(sorted(k for k in os.environ if k.startswith('HUB')))"), "env/1", log)
        child.wait(10)
    finally:
        del os.environ["HUB_TEST_LEAK"]
    assert log.read_text().strip() == f"['{MARK}']"


def test_the_tail_of_a_log_is_short_clean_and_of_this_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    start = log.stat().st_size
    with log.open("ab") as file:
        file.write(
            b"\x1b[31mred\x00\n" + b"\xff\xfe broken\n" + b"x" * 5000 + b"\n" + b"".join(b"%d\n" % n for n in range(30))
        )
    lines = processes.tail(log, 40, start)
    assert "before" not in lines
    assert all(line.isprintable() and len(line) <= 400 for line in lines)
    assert processes.tail(log, 3, start) == ["27", "28", "29"]
    assert processes.tail(tmp_path / "none") == []
