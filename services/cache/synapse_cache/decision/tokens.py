"""Splits a prompt into opaque parts (code, quotations, identifiers) and word, number and symbol tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
_QUOTED = re.compile(r"\"([^\"]*)\"|(?<!\w)'([^'\n]+)'(?!\w)|«([^»]*)»")
_TAG = re.compile(r"<<[^<>]*>>")
_TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "“": '"', "”": '"', "„": '"', "\u00a0": " ", "\u202f": " "})
_TOKEN = re.compile(
    r"""
      (?P<slot>\x00\d+\x00)
    | (?P<ident>https?://[^\s<>]+[\w/] | www\.[^\s<>]+[\w/] | [\w.+-]+@[\w-]+(?:\.[\w-]+)+
        | [A-Za-z]:\\[\w.\\-]+ | ~?(?:/[\w.+-]+){2,}/? | [^\W_]\w*_\w+ | _+\w+
        | \w+(?:::\w+)+ | \w+\(\) | [A-Za-z]\w*(?:\.[A-Za-z]\w+)*\.(?:py|js|ts|go|rs|java|rb|c|h|cpp|json|ya?ml|toml|csv
        |txt|md|sh|sql|html|css|xml|pdf|exe|dll|com|org|net|io|dev|app)\b)
    | (?P<lang>\b[A-Za-z]\+\+ | \b[A-Za-z]\#(?!\w) | \.NET\b)
    | (?P<time>\d{1,2}(?::\d{2}){1,2}(?:\s?[ap]\.?m\b\.?)? | \d{1,2}\s?[apAP]\.?[mM]\b\.?)
    | (?P<number>(?:(?<![\w.)\]])(?<![\d.)\]]\s)-)?(?:\d+(?:,\d{3})+(?:\.\d+)?(?![\d,]) | \d+(?:\.\d+)*))
        (?P<suffix>[^\W\d_]+\w*)?
    | (?P<short>(?:[A-Za-z]\.){2,})
    | (?P<word>[^\W\d_]+(?:'[^\W\d_]+)*'?(?:\d\w*)?)
    | (?P<joint>(?<=[^\W\d_])-(?=\w) | -(?=[^\W\d_]))
    | (?P<break>[,;:.!?()\[\]{}–—\n…|/-])
    | (?P<symbol>\S)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Parts:
    """A prompt taken apart: opaque spans in order, and the text with placeholders for those that stay in place."""

    plain: str
    code: tuple[str, ...]
    quoted: tuple[str, ...]
    tags: tuple[str, ...]


def take_apart(text: str) -> Parts:
    """Cut code, tags and quotations out of `text`; each quotation and code span leaves a numbered slot."""
    text = text.translate(_TYPOGRAPHY)
    code: list[str] = []
    quoted: list[str] = []
    tags: list[str] = []

    def code_slot(found: re.Match[str]) -> str:
        code.append(found.group().strip("`").strip("\n"))
        return f" \x00{2 * len(code)}\x00 "

    def quote_slot(found: re.Match[str]) -> str:
        quoted.append(" ".join((found.group(1) or found.group(2) or found.group(3) or "").casefold().split()))
        return f" \x00{2 * len(quoted) + 1}\x00 "

    text = text.replace("\x00", " ")
    if "`" in text:
        text = _CODE.sub(code_slot, text)
    if "<<" in text:
        tags = _TAG.findall(text)
        text = _TAG.sub(" ", text)
    if '"' in text or "'" in text or "«" in text:
        text = _QUOTED.sub(quote_slot, text)
    return Parts(text, tuple(code), tuple(quoted), tuple(sorted(tags)))


def tokens(plain: str) -> list[tuple[str, str]]:
    """(kind, spelling) of each token, kind being a group name of the token pattern; a number's suffix comes apart."""
    out: list[tuple[str, str]] = []
    for found in _TOKEN.finditer(plain):
        kind = found.lastgroup or "symbol"
        if kind == "suffix":
            out.extend((("number", found.group("number")), ("suffix", found.group("suffix"))))
        else:
            out.append((kind, found.group()))
    return out
