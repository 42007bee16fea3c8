"""What a member of a request must be, and how Anthropic says that it is not: `messages.0.content: ...`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from synapse_gateway.problems import Problem, invalid

T = TypeVar("T")
_INT64 = range(-(2**63), 2**63)


def wrong(where: str, what: str) -> Problem:
    """A member that is wrong: 400."""
    return invalid(f"{where}: {what}", where)


def below(where: str, name: str) -> str:
    """The path of the member `name` of `where`."""
    return f"{where}.{name}" if where else name


def need(rest: dict[str, Any], name: str, check: Callable[[Any, str], T], where: str) -> T:
    """The member `name`, taken out of an object; raises Problem 400 when it is not there or not what it must be."""
    if name not in rest:
        raise wrong(below(where, name), "Field required")
    return check(rest.pop(name), below(where, name))


def take(rest: dict[str, Any], name: str, check: Callable[[Any, str], T], where: str) -> T | None:
    """The member `name`, taken out of an object; None when it is null or not there."""
    value = rest.pop(name, None)
    return None if value is None else check(value, below(where, name))


def text(value: Any, where: str) -> str:
    """A text."""
    if not isinstance(value, str):
        raise wrong(where, "Input should be a valid string")
    return value


def boolean(value: Any, where: str) -> bool:
    """A boolean."""
    if not isinstance(value, bool):
        raise wrong(where, "Input should be a valid boolean")
    return value


def integer(value: Any, where: str) -> int:
    """An integer of at most 64 bits, and not negative."""
    if not isinstance(value, int) or isinstance(value, bool) or value >= _INT64.stop:
        raise wrong(where, "Input should be a valid integer")
    if value < 0:
        raise wrong(where, "Input should be greater than or equal to 0")
    return value


def number(value: Any, where: str) -> float:
    """A number that a double holds."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise wrong(where, "Input should be a valid number")
    try:
        return float(value)
    except OverflowError as error:
        raise wrong(where, "Input should be a finite number") from error


def mapping(value: Any, where: str) -> dict[str, Any]:
    """A copy of an object, to take members out of."""
    if not isinstance(value, dict):
        raise wrong(where, "Input should be a valid dictionary")
    return dict(value)


def array(value: Any, where: str) -> list[Any]:
    """A list."""
    if not isinstance(value, list):
        raise wrong(where, "Input should be a valid list")
    return value


def texts(value: Any, where: str) -> list[str]:
    """A list of texts."""
    return [text(item, f"{where}.{number}") for number, item in enumerate(array(value, where))]
