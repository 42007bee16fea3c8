"""Lines of JSON out of byte pieces that may break anywhere, with the interface of sse.py."""

from __future__ import annotations

from synapse_llm_router.adapters.sse import EventTooLong


class LineSplitter:
    """Splits a byte stream into its lines, which end in LF or CRLF; blank ones are skipped. Events have no name."""

    def __init__(self, *, max_event_bytes: int) -> None:
        self._max = max_event_bytes
        self._rest: list[bytes] = []
        self._rest_bytes = 0

    def feed(self, piece: bytes) -> list[tuple[bytes, bytes]]:
        """The lines that `piece` completes; raises EventTooLong."""
        cut = piece.rfind(b"\n") + 1
        if not cut:
            self._keep(piece)
            return []
        whole = b"".join((*self._rest, piece[:cut])) if self._rest else piece[:cut]
        self._rest.clear()
        self._rest_bytes = 0
        events = self._events(whole)
        self._keep(piece[cut:])
        return events

    def finish(self) -> list[tuple[bytes, bytes]]:
        """The line that the end of the stream completes, for servers that forget the last line end."""
        whole = b"".join(self._rest)
        self._rest.clear()
        return self._events(whole)

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._rest.append(piece)
            self._rest_bytes += len(piece)
            self._check(self._rest_bytes)

    def _events(self, whole: bytes) -> list[tuple[bytes, bytes]]:
        events = [(b"", stripped) for line in whole.split(b"\n") if (stripped := line.strip())]
        self._check(max((len(line) for _, line in events), default=0))
        return events

    def _check(self, size: int) -> None:
        if size > self._max:
            raise EventTooLong(self._max)
