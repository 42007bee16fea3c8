"""Runs a function in a process of its own, so that the libraries it loads do not stay in this one's memory."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import TypeVar

from synapse_standalone.errors import EXIT_SOFTWARE, CommandError

T = TypeVar("T")


def apart(work: Callable[[], T]) -> T:
    """The result of `work()`, or the CommandError that it raises; both must be picklable.

    To be called before threads and event loops exist. Raises CommandError, too, when the process dies.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _answer(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        raise CommandError("the preparation ended with an error; it is shown above", status=EXIT_SOFTWARE)
    result: T | CommandError = pickle.loads(answer)  # noqa: S301  # written by our own fork
    if isinstance(result, CommandError):
        raise result
    return result


def _answer(work: Callable[[], object], writing: int) -> None:
    """In the fork: write what came out and end, whatever happened, without running the parent's cleanups."""
    status = 1
    try:
        try:
            result: object = work()
        except CommandError as error:
            result = error
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(result, pipe)
        status = 0
    finally:
        if status:
            import traceback

            traceback.print_exc()
        os._exit(status)
