"""Long runs of digits: which ones look like a phone, card, account or identity number, and which like ordinary numbers.

A run is judged by its length, by how it is cut into groups, and by the words before it.
"""

from __future__ import annotations

import re

_RUN = re.compile(r"\d[\d ().\-/–]*\d(?!\w)")
_GROUP = re.compile(r"\d+")
_DATE = re.compile(r"(?<![\d.\-/])(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/.])\d{1,2}\2\d{2,4})(?!\d|[-/.]\d)")
_ROUND = re.compile(r"[1-9]\d{0,2}0{6,}")
_CONTEXT = re.compile(
    r"""\b(?:phone|tel|call(?:ed|ing)?|mobile|cell|fax|whatsapp|ssn|sin|nhs|iban|card|account|acct|contact|reach
    |telefon\w*|t[ée]l[ée]phone|tel[ée]fono|telefone|handy\w*|m[óo]vil|celular|cellulare|portable|kom[óo]rk\w+
    |konto\w*|cuenta|conta|compte|conto|rekening\w*|karte\w*|kart\w*|carte|tarjeta|cart[ãa]o|numero|n[úu]mero|nummer
    |тел\w*|номер\w*|сч[её]т\w*|هاتف|رقم|फ़?ोन|नंबर)\b
    |फ़ोन|फोन|电话|電話|手机|携帯|身份证|전화|계좌|卡号|账号|帐号|口座""",
    re.VERBOSE | re.IGNORECASE,
)
_CONTEXT_CHARACTERS = 40
_FEWEST_WITH_CONTEXT = 7
_FEWEST_UNBROKEN = 9
_FEWEST_BEHIND_PLUS = 8
_TRUNK_CALL = range(9, 13)
"""How many digits a number has that is dialled with a leading 0."""

_SHAPES = frozenset(
    {
        (4, 4, 4, 4),  # a payment card
        (4, 6, 5),
        (4, 6, 4),
        (3, 3, 4),  # a phone of North America
        (1, 3, 3, 4),
        (3, 4, 4),  # of China
        (2, 5, 4),  # of Brazil
        (2, 4, 4),
        (1, 3, 3, 2, 2),  # of Russia
        (3, 2, 2, 2),  # of Spain
        (4, 4, 4),  # an Aadhaar or My Number
        (3, 4, 4, 2),  # a Swiss social security number
        (3, 3, 3, 2),  # a Brazilian CPF
        (2, 3, 3, 4, 2),  # a Brazilian CNPJ
        (2, 2, 2, 8),  # a British sort code and account
        (3, 7, 7),  # an order of a large shop
    }
)
_DASHED_SHAPES = frozenset({(3, 2, 4), (6, 4), (6, 7), (3, 3, 3)})
"""Identity numbers whose groups stand between dashes; between spaces they are ordinary numbers."""

_SPACED_SHAPE = (5, 5)
"""A mobile phone of India; between other signs than a space it is a range."""


def looks_private(text: str) -> bool:
    """Whether `text`, whose digits are ASCII, holds a number of a person or an account."""
    return any(_is_private(found, text) for found in _RUN.finditer(text))


def _is_private(found: re.Match[str], text: str) -> bool:
    start, run = found.start(), found.group()
    if start and (text[start - 1].isalnum() or text[start - 1] in "_.,"):  # the end of a word or of a decimal
        run = run.lstrip("0123456789")
    opening = "+" if "+" in text[max(0, start - 2) : start] else ""
    before = text[max(0, start - _CONTEXT_CHARACTERS) : start]
    return any(_is_number_of_somebody(opening + part, before) for part in _DATE.sub("|", run).split("|"))


def _is_number_of_somebody(run: str, before: str) -> bool:
    groups = _GROUP.findall(run)
    digits = sum(map(len, groups))
    if digits < _FEWEST_WITH_CONTEXT or _is_decimal(run, groups) or _are_years(groups):
        return False
    if any(len(group) >= _FEWEST_UNBROKEN and not _ROUND.fullmatch(group) for group in groups):
        return True
    if run.startswith("+") and digits >= _FEWEST_BEHIND_PLUS:
        return True
    return _is_dialled(run, groups, digits) or _has_shape(run, groups) or _is_called_so(groups, before)


def _is_decimal(run: str, groups: list[str]) -> bool:
    return len(groups) == 2 and f"{groups[0]}.{groups[1]}" in run


def _are_years(groups: list[str]) -> bool:
    return all(len(group) == 4 and group[:2] in {"17", "18", "19", "20"} for group in groups)


def _is_dialled(run: str, groups: list[str], digits: int) -> bool:
    """A number with its leading 0, as most of the world writes phones at home."""
    starts = groups[0].startswith("0") and digits in _TRUNK_CALL
    return starts and 2 <= len(groups) <= 5 and min(map(len, groups)) >= 2 and " - " not in run


def _has_shape(run: str, groups: list[str]) -> bool:
    shape = tuple(map(len, groups))
    if shape in _DASHED_SHAPES:
        return "-" in run and " " not in run
    return shape in _SHAPES or (shape == _SPACED_SHAPE and " " in run)


def _is_called_so(groups: list[str], before: str) -> bool:
    """Whether the words before say that it is a number of somebody, and it is no range of round numbers."""
    if max(map(len, groups)) <= 1 or all(int(group) % 50 == 0 for group in groups):
        return False
    return _CONTEXT.search(before) is not None
