"""Calls that must end: what they return to, when they are given up, and who frees the client then."""

from __future__ import annotations

import threading

import pytest

from exchange.producers.bounded import Bounded, NoAnswer


def test_what_a_call_raises_is_raised_here() -> None:
    freed: list[int] = []
    bounded = Bounded(lambda: freed.append(1))
    made: list[str] = []
    bounded.call(5, lambda: made.append("one"))
    with pytest.raises(KeyError, match="two"):
        bounded.call(5, lambda: {}["two"])
    bounded.call(5, lambda: made.append("three"))
    assert (made, freed, bounded.given_up) == (["one", "three"], [], False)


def test_a_call_that_does_not_end_is_given_up_and_frees_the_client_itself() -> None:
    goes, freed = threading.Event(), threading.Event()
    bounded = Bounded(freed.set)
    with pytest.raises(NoAnswer):
        bounded.call(0.02, goes.wait)
    assert bounded.given_up
    assert not freed.is_set(), "the call is under way: the client must stay"
    with pytest.raises(NoAnswer):
        bounded.call(5, lambda: pytest.fail("nobody else may touch the client"))
    goes.set()
    assert freed.wait(5)
