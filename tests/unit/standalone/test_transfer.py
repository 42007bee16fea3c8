"""Files of lines, the progress of commands, and what `synapse warm` makes of a line."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest

from synapse_standalone.errors import CommandError
from synapse_standalone.files import reading, writing
from synapse_standalone.progress import Progress, bar
from synapse_standalone.transfer import Tally
from synapse_standalone.warming import UnfitLine, request_of


class Terminal(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("name", ["lines.jsonl", "lines.jsonl.gz"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with writing(str(path)) as file:
        file.write(b"one\n\n  two \n")
        assert not path.exists()
    with reading(str(path)) as lines:
        assert [(line.number, line.raw) for line in lines] == [(1, b"one"), (3, b"two")]


def test_a_file_that_broke_off_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"

    def write() -> None:
        with writing(str(path)) as file:
            file.write(b"one\n")
            raise CommandError("the gateway does not answer", status=1)

    with pytest.raises(CommandError):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    def read(path: Path) -> list[bytes]:
        with reading(str(path)) as lines:
            return [line.raw for line in lines]

    torn = tmp_path / "torn.gz"
    torn.write_bytes(gzip.compress(b"one\n" * 1000)[:-12])
    plain = tmp_path / "plain.gz"
    plain.write_bytes(b"one\n")
    for path in (tmp_path / "nothing", torn, plain):
        with pytest.raises(CommandError, match=f"cannot read {path}"):
            read(path)


def test_the_share_that_is_read_grows_to_all(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b"x" * 70_000 + b"\n" + b"y\n")
    with reading(str(path)) as lines:
        shares = [line.share for line in lines]
    assert shares[-1] == 1.0


def test_progress_is_told_on_a_terminal_only() -> None:
    watched, piped = Terminal(), io.StringIO()
    for out in (watched, piped):
        shown = Progress(out)
        shown.tell("5 stored", share=0.5)
        shown.tell("6 stored", share=0.6)
        shown.clear()
    assert watched.getvalue() == f"\r\x1b[2K{bar(0.5)}  50%  5 stored\r\x1b[2K"
    assert piped.getvalue() == ""


def test_a_tally_keeps_the_first_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    for _ in range(3):
        tally.add({"imported": "1", "refused": "10", "errors": [f"line {n}: no" for n in range(10)]})
    tally.print()
    told = capsys.readouterr()
    assert told.out == "3 imported, 0 unchanged, 0 expired, 30 refused\n"
    assert told.err.count("no\n") == 20
    assert told.err.endswith("and 10 more\n")
    assert tally.status == 1


def test_a_line_becomes_a_question_and_its_answer() -> None:
    line = {"prompt": "Who?", "answer": "Us.", "system": "Be brief.", "tags": ["faq"], "ttl": 60}
    body = request_of(line, model="m", namespace="docs")
    assert body["request"] == {
        "model": "m",
        "messages": [{"role": "system", "text": "Be brief."}, {"role": "user", "text": "Who?"}],
    }
    assert body["generation"]["choices"] == [{"content": "Us.", "finish_reason": "FINISH_REASON_STOP"}]
    assert body["control"] == {"namespace": "docs", "tags": ["faq"], "ttl": "60.000s"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ([], "not a JSON object"),
        ({"prompt": "Who?", "answer": "Us."}, "model is missing"),
        ({"prompt": "Who?", "answer": " ", "model": "m"}, "answer is missing"),
        ({"prompt": 7, "answer": "Us.", "model": "m"}, "prompt must be a text"),
        ({"prompt": "Who?", "answer": "Us.", "model": "m", "tags": "faq"}, "tags must be a list"),
        ({"prompt": "Who?", "answer": "Us.", "model": "m", "ttl": True}, "ttl must be a number"),
        ({"prompt": "Who?", "answer": "Us.", "model": "m", "tll": 5}, "unknown member 'tll'"),
    ],
)
def test_a_line_that_does_not_fit_says_why(line: object, why: str) -> None:
    with pytest.raises(UnfitLine, match=why):
        request_of(line, model="", namespace="")
