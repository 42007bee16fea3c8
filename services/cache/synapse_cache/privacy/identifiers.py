"""What looks like a personal identifier in a text: of a person, an account, an order, a device, or a secret.

Every pattern runs in time linear in the text's length: repetitions are bounded, or begin only where a run begins.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from synapse_cache.privacy import digit_runs, references
from synapse_cache.privacy.remembered import remembered

_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]")
_FOREIGN_DIGIT = re.compile(r"(?![0-9])\d")

_DIGIT = re.compile(r"\d")
_NEAR_BEFORE, _NEAR_BEHIND = 96, 96
"""How far from a digit a pattern that needs one may reach."""

_EMAIL = re.compile(r"@(?<=[\w+%]@)(?<!\bgit@)[^\W_][\w-]*(?:\.[^\W_][\w-]*)*\.[^\W\d_]{2,24}(?![\w-])")
_SPELT_EMAIL = re.compile(
    r"[\[({]\s?at\s?[\])}]\s?\w|\s(?:at|arroba)\s\w{2,30}\s(?:dot|punto|ponto)\s[a-z]{2,4}\b", re.IGNORECASE
)
_SPELT_SIGNS = ("(at", "[at", "{at", "( at", "[ at", "{ at", "(AT", "[AT", " dot ", " punto ", " ponto ", " DOT ")
_UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b", re.IGNORECASE)
_ACCOUNT = re.compile(r"\b[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{4}){2,7}(?:[ -]?[A-Z0-9]{1,4})?\b", re.IGNORECASE)
_FEWEST_DIGITS_OF_ACCOUNT = 8
_NATIONAL = re.compile(
    r"""\b(?:
      [A-Z]{2}[ ]?\d{2}[ ]?\d{2}[ ]?\d{2}[ ]?[A-D]                # Britain: national insurance
    | [A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z]                      # Italy: codice fiscale
    | [A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d                         # Mexico: CURP
    | [A-Z]{5}\d{4}[A-Z]                                          # India: PAN
    | \d{8}-?[A-HJ-NP-TV-Z] | [XYZ]-?\d{7}-?[A-Z]                 # Spain: DNI, NIE
    | \d{17}[\dX]                                                 # China: resident identity
    | \d{6}[-+A]\d{3}[0-9A-Y]                                     # Finland, Sweden, Denmark
    )\b""",
    re.VERBOSE,
)
_TRACKING = re.compile(
    r"\b(?:1Z[0-9A-Z]{16}|[A-Z]{2}\d{9}[A-Z]{2}|JJD\d{10,20}|TBA\d{10,14}"
    r"|(?:INV|ORD|TKT|INC|RMA|REQ|CASE|BKG|CUST|TXN)[-_#]?\d[\d-]{3,20}"
    r"|(?:INV|ORD|TKT|RMA|BKG|CUST|TXN)-[A-Z0-9]{1,8}-\d{2,12})\b",
)
_SECRET = re.compile(
    r"""-----BEGIN[ ][A-Z ]{0,20}PRIVATE[ ]KEY
    | \b(?:sk|pk|rk)[-_][A-Za-z0-9_-]{16} | \bgh[pousr]_\w{16} | \bgithub_pat_\w{16} | \bglpat-[\w-]{16}
    | \bxox[abeprs]-[\w-]{10} | \b(?:AKIA|ASIA)[0-9A-Z]{16}\b | \bAIza[\w-]{30} | \bya29\.[\w-]{16}
    | \bSG\.[\w-]{16} | \bhf_[A-Za-z0-9]{16} | \bnpm_[A-Za-z0-9]{20} | \bpypi-[\w-]{16} | \bdop_v1_\w{16}
    | \bwhsec_\w{16} | \beyJ[\w-]{8,4096}\.[\w-]{4} | \b[Bb]earer[ ][\w.~+/-]{16}
    """,
    re.VERBOSE,
)
_SECRET_SIGNS = (
    *("-----BEGIN", "sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
    *("glpat-", "xox", "AKIA", "ASIA", "AIza", "ya29.", "SG.", "hf_", "npm_", "pypi-", "dop_v1_", "whsec_", "eyJ"),
    "earer ",
)
_PASSWORD = re.compile(
    r"""\b(?:password|passcode|passwort|passphrase|passwd|pwd|mot\s+de\s+passe|contrase(?:ñ|n)a|senha|wachtwoord|parola
      |has[łl]o|пароль|密码|パスワード|비밀번호|api[ _-]?key|secret|(?:access|auth)[ _-]?token|pin(?:[ ]code)?)\b
      \s{0,2}(?:is|was|ist|est|es|[ée]|:|=|:=)\s{0,2}["'`]?(?=[^\s"'`]{0,64}[\d!$%&*#@^])[^\s"'`]{4}""",
    re.VERBOSE,
)
_PASSWORD_SIGNS = (
    *("pass", "pwd", "key", "secret", "token", "pin", "mot", "contrase", "senha", "wachtwoord", "parola"),
    *("hasł", "haslo", "парол", "密码", "パスワード", "비밀번호"),
)
_URL_SECRET = re.compile(
    r"://[^\s/?#@]{1,256}@"
    r"|[?&](?:[\w-]{0,24}token|api_?key|key|sig|signature|auth|session(?:_?id)?|sid|password|pwd|code|jwt"
    r"|x-amz-signature)=[^\s&]{6}",
    re.IGNORECASE,
)
_BLOB = re.compile(r"(?<![\w+/=-])[\w+/=-]{32,}", re.ASCII)
_IPV4 = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?!\.?\w)")
_WELL_KNOWN_ADDRESS = re.compile(
    r"0\.0\.0\.0|127\.|255\.|192\.168\.[01]\.[01]\b|10\.0\.0\.[01]\b|8\.8\.[48]\.[48]|1\.[01]\.[01]\.1|9\.9\.9\.9"
    r"|.*\.0\.0\b"
)
_IPV6 = re.compile(
    r"(?<![\w:])(?:(?:2[0-9a-f]{3}|3[0-9a-f]{3}|fe80|f[cd][0-9a-f]{2}):[0-9a-f:]{2,39}"
    r"|(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4})(?![\w:])",
    re.IGNORECASE,
)
_MAC = re.compile(
    r"\b[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}\b|\b[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}\b", re.IGNORECASE
)


@remembered
def kind(text: str) -> str | None:
    """What kind of personal identifier `text` holds, by a short word; None when it holds none."""
    plain = _plain(text)
    found = next((name for name, test in _ANYWHERE if test(plain)), None)
    if found is not None or _DIGIT.search(plain) is None:
        return found
    near = _near_digits(plain)
    return next((name for name, test in _NEAR_DIGITS if test(near)), None)


def _near_digits(text: str) -> str:
    """The stretches of `text` around its digits, one a line: all of a short text, little of most long ones."""
    if len(text) <= _NEAR_BEFORE + _NEAR_BEHIND:
        return text
    stretches: list[str] = []
    begin = end = 0
    for found in _DIGIT.finditer(text):
        position = found.start()
        if position - _NEAR_BEFORE > end:
            stretches.append(text[begin:end])
            begin = position - _NEAR_BEFORE
        end = position + _NEAR_BEHIND
    return "\n".join((*stretches, text[begin:end]))


def _plain(text: str) -> str:
    """`text` as it reads: compatibility forms and digits of other scripts as ASCII, without invisible characters."""
    if text.isascii():
        return text
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
    return _FOREIGN_DIGIT.sub(lambda found: str(unicodedata.decimal(found.group(), 0)), text)


def _searches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.search(text) is not None


def _has_email(text: str) -> bool:
    if "@" in text and _EMAIL.search(text) is not None:
        return True
    return any(sign in text for sign in _SPELT_SIGNS) and _SPELT_EMAIL.search(text) is not None


def _has_secret(text: str) -> bool:
    return any(sign in text for sign in _SECRET_SIGNS) and _SECRET.search(text) is not None


def _has_password(text: str) -> bool:
    low = text.lower()
    return any(sign in low for sign in _PASSWORD_SIGNS) and _PASSWORD.search(low) is not None


def _has_account(text: str) -> bool:
    return any(_digits(found.group()) >= _FEWEST_DIGITS_OF_ACCOUNT for found in _ACCOUNT.finditer(text))


def _digits(token: str) -> int:
    return sum(character.isdigit() for character in token)


def _has_address(text: str) -> bool:
    """A network address that is not one that everybody has."""
    if any(_is_address(found, text) for found in _IPV4.finditer(text)):
        return True
    if text.count(":") < 2 and text.count("-") < 5 and text.count(".") < 2:
        return False
    return _IPV6.search(text) is not None or _MAC.search(text) is not None


def _is_address(found: re.Match[str], text: str) -> bool:
    quad, start = found.group(), found.start()
    if start and (text[start - 1].isalnum() or text[start - 1] in ".-_"):  # a version, a part of something longer
        return False
    return all(int(part) <= 255 for part in quad.split(".")) and _WELL_KNOWN_ADDRESS.match(quad) is None


def _has_blob(text: str) -> bool:
    """A long run of hexadecimal or base64: a hash, a key, a wallet, a session."""
    return any(_is_blob(found.group()) for found in _BLOB.finditer(text))


def _is_blob(run: str) -> bool:
    digits = _digits(run)
    if digits < 4 or run.count("-") + run.count("_") + run.count("/") > len(run) / 8:  # words that something joins
        return False
    return any(c.islower() for c in run) or any(c.isupper() for c in run)


_ANYWHERE: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("email", _has_email),
    ("secret", _has_secret),
    ("password", _has_password),
    ("url", lambda text: "://" in text and _URL_SECRET.search(text) is not None),
)
_NEAR_DIGITS: tuple[tuple[str, Callable[[str], bool]], ...] = (
    ("number", digit_runs.looks_private),
    ("account", _has_account),
    ("national", _searches(_NATIONAL)),
    ("tracking", _searches(_TRACKING)),
    ("uuid", lambda text: text.count("-") > 3 and _UUID.search(text) is not None),
    ("blob", _has_blob),
    ("network", _has_address),
    ("reference", references.names_a_reference),
    ("person", references.names_a_person),
)
