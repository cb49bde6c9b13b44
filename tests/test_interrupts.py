"""A key that is swallowed is remembered once; one that is answered is not."""

from __future__ import annotations

import ctypes

import pytest

from replicas import interrupts


@ctypes.CFUNCTYPE(None)
def swallowing():
    raise KeyboardInterrupt


@pytest.fixture(autouse=True)
def listening():
    interrupts.listen()
    interrupts.forget()


def test_what_a_callback_swallows_is_raised_at_the_next_check():
    interrupts.check()
    swallowing()
    assert interrupts.pressed()
    with pytest.raises(KeyboardInterrupt):
        interrupts.check()
    interrupts.check()


def test_what_was_raised_is_not_remembered():
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert not interrupts.pressed()
    interrupts.check()


def test_a_new_question_forgets():
    swallowing()
    interrupts.forget()
    interrupts.check()
