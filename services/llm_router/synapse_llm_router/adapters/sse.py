"""Server-sent events out of byte pieces that may break anywhere."""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"


class EventTooLong(Exception):
    """An event is longer than the `limit` in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"an event is longer than {limit} bytes")
        self.limit = limit


class EventSplitter:
    """Splits a byte stream into events; lines may end in LF, CRLF or CR, comments and unknown fields are skipped.

    An event is (name, data): the name is b"" where none was given, several data lines are joined by LF. A field
    called `error`, which older llama.cpp servers send in place of `data`, makes an event of that name.
    """

    def __init__(self, *, max_event_bytes: int) -> None:
        self._max = max_event_bytes
        self._rest: list[bytes] = []
        self._rest_bytes = 0
        self._name = b""
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._after_cr = False
        self._first = True

    def feed(self, piece: bytes) -> list[tuple[bytes, bytes]]:
        """The events that `piece` completes; raises EventTooLong."""
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        cut = max(piece.rfind(b"\n"), piece.rfind(b"\r")) + 1
        if not cut:
            self._keep(piece)
            return []
        self._after_cr = piece.endswith(b"\r")
        whole = b"".join((*self._rest, piece[:cut])) if self._rest else piece[:cut]
        self._rest.clear()
        self._rest_bytes = 0
        events = self._events(whole)
        self._keep(piece[cut:])
        return events

    def finish(self) -> list[tuple[bytes, bytes]]:
        """The event that the end of the stream completes, for servers that forget the last blank line."""
        whole = b"".join(self._rest)
        self._rest.clear()
        return self._events(whole + b"\n\n")

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._rest.append(piece)
            self._rest_bytes += len(piece)
            self._check(self._rest_bytes + self._data_bytes)

    def _events(self, whole: bytes) -> list[tuple[bytes, bytes]]:
        if self._first:
            self._first = False
            whole = whole.removeprefix(_BOM)
        events: list[tuple[bytes, bytes]] = []
        for line in whole.splitlines():
            if line:
                self._field(line)
            elif self._data:
                data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
                events.append((self._name, data))
                self._name, self._data, self._data_bytes = b"", [], 0
            else:
                self._name = b""
        return events

    def _field(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field in {b"data", b"error"}:
            self._data_bytes += len(value) + 1
            self._check(self._data_bytes)
            self._data.append(value)
        if field == b"event":
            self._name = value
        elif field == b"error":
            self._name = field

    def _check(self, size: int) -> None:
        if size > self._max:
            raise EventTooLong(self._max)
