"""The book of thresholds: levels over each other, who may set what, and how replicas follow."""

from __future__ import annotations

import asyncio
import logging

import pytest

from synapse_cache.adapters.thresholds_memory import MemoryThresholdStore
from synapse_cache.ports import StoreUnavailable
from synapse_cache.thresholds.threshold_book import ALL_TENANTS, ThresholdBook
from synapse_cache.thresholds.thresholds import Level, LevelRefused, Thresholds
from synapse_runtime.background import background
from synapse_runtime.errors import PermissionDenied, Unavailable

SETTINGS = Thresholds(max_error=0.01, ttl_seconds=3600)


class FailingStore(MemoryThresholdStore):
    """A store that is down while the test says so; `asked` counts."""

    def __init__(self) -> None:
        super().__init__()
        self.down = False
        self.asked = 0

    async def version(self) -> int:
        self.asked += 1
        if self.down:
            raise StoreUnavailable("no answer")
        return await super().version()

    def lose_everything(self) -> None:
        super().__init__()


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def book(store: FailingStore) -> ThresholdBook:
    return ThresholdBook(SETTINGS, store)


async def test_the_settings_hold_where_nothing_was_set(book: ThresholdBook) -> None:
    assert book.of("acme") == SETTINGS


async def test_a_tenants_level_lies_over_that_of_all_field_by_field(book: ThresholdBook) -> None:
    await book.change(ALL_TENANTS, Level(ttl_seconds=60, audit_share=0.5), may_loosen=True)
    await book.change("acme", Level(ttl_seconds=30))
    acme, other = book.of("acme"), book.of("globex")
    assert (acme.ttl_seconds, acme.audit_share, acme.max_error) == (30, 0.5, 0.01)
    assert (other.ttl_seconds, other.audit_share) == (60, 0.5)
    assert book.tenants() == ["acme"]


async def test_a_change_of_all_reaches_tenants_with_a_level_of_their_own(book: ThresholdBook) -> None:
    await book.change("acme", Level(shadow=True))
    await book.change(ALL_TENANTS, Level(max_error=0.001), may_loosen=True)
    assert (book.of("acme").max_error, book.of("acme").shadow) == (0.001, True)


async def test_a_change_replaces_the_level_or_only_what_it_names(book: ThresholdBook) -> None:
    await book.change("acme", Level(shadow=True, ttl_seconds=30))
    await book.change("acme", Level(ttl_seconds=20), names=["ttl_seconds", "audit_share"])
    assert book.level("acme") == Level(shadow=True, ttl_seconds=20)
    await book.change("acme", Level(ttl_seconds=20))
    assert book.level("acme") == Level(ttl_seconds=20)


async def test_setting_what_is_set_is_no_change(book: ThresholdBook, store: FailingStore) -> None:
    await book.change("acme", Level(shadow=True))
    before = await store.version()
    await book.change("acme", Level(shadow=True))
    assert await store.version() == before


async def test_a_level_that_sets_nothing_is_gone(book: ThresholdBook) -> None:
    await book.change("acme", Level(shadow=True))
    await book.change("acme", Level())
    assert (book.tenants(), book.of("acme")) == ([], SETTINGS)


async def test_what_is_refused_changes_nothing(book: ThresholdBook) -> None:
    await book.change("acme", Level(shadow=True))
    with pytest.raises(LevelRefused):
        await book.change("acme", Level(ttl_seconds=-1))
    assert book.level("acme") == Level(shadow=True)


async def test_only_who_may_loosen_exceeds_the_error_of_all(book: ThresholdBook) -> None:
    with pytest.raises(PermissionDenied, match="max_error"):
        await book.change("acme", Level(max_error=0.02))
    await book.change("acme", Level(max_error=0.02), may_loosen=True)
    assert book.of("acme").max_error == 0.02


async def test_who_may_not_loosen_keeps_what_an_admin_allowed(book: ThresholdBook) -> None:
    await book.change("acme", Level(max_error=0.02), may_loosen=True)
    await book.change("acme", Level(max_error=0.02, shadow=True))
    await book.change("acme", Level(shadow=False), names=["shadow"])
    assert (book.of("acme").max_error, book.of("acme").shadow) == (0.02, False)


async def test_a_tenants_own_error_never_exceeds_one_that_became_stricter(book: ThresholdBook) -> None:
    await book.change("acme", Level(max_error=0.008))
    await book.change(ALL_TENANTS, Level(max_error=0.002), may_loosen=True)
    assert book.of("acme").max_error == 0.002
    await book.change("acme", Level(shadow=True), names=["shadow"], may_loosen=True)
    assert book.of("acme").max_error == 0.002


async def test_replicas_follow_each_other_and_find_the_levels_after_a_restart(store: FailingStore) -> None:
    one, other = ThresholdBook(SETTINGS, store), ThresholdBook(SETTINGS, store)
    async with background(thresholds=other.run):
        await one.change("acme", Level(shadow=True))
        async with asyncio.timeout(1):
            while not other.of("acme").shadow:  # noqa: ASYNC110  # a replica tells nobody
                await asyncio.sleep(0.01)
    restarted = ThresholdBook(SETTINGS, store)
    await restarted.follow()
    assert restarted.of("acme").shadow


async def test_changes_at_the_same_moment_are_all_kept(store: FailingStore) -> None:
    books = [ThresholdBook(SETTINGS, store) for _ in range(3)]
    levels = [Level(shadow=True), Level(ttl_seconds=5), Level(audit_share=1)]
    named = zip(books, levels, ("shadow", "ttl_seconds", "audit_share"), strict=True)
    await asyncio.gather(*(book.change("acme", level, names=[name]) for book, level, name in named))
    await books[0].refresh()
    assert books[0].level("acme") == Level(shadow=True, ttl_seconds=5, audit_share=1)


async def test_while_the_store_is_down_the_last_known_holds_and_one_line_says_so(
    book: ThresholdBook, store: FailingStore, caplog: pytest.LogCaptureFixture
) -> None:
    await book.change("acme", Level(shadow=True))
    store.down = True
    with caplog.at_level(logging.WARNING, "synapse.cache.thresholds"):
        for _ in range(5):
            await book.follow()
    assert book.of("acme").shadow
    assert len(caplog.records) == 1


async def test_a_store_that_is_down_at_the_start_leaves_the_settings(book: ThresholdBook, store: FailingStore) -> None:
    store.down = True
    await book.follow()
    assert book.of("acme") == SETTINGS


async def test_a_change_that_cannot_be_kept_fails_and_holds_nowhere(book: ThresholdBook, store: FailingStore) -> None:
    store.down = True
    with pytest.raises(Unavailable):
        await book.change("acme", Level(shadow=True))
    assert not book.of("acme").shadow


async def test_a_store_that_lost_everything_is_given_it_again(book: ThresholdBook, store: FailingStore) -> None:
    await book.change("acme", Level(shadow=True))
    store.lose_everything()
    await book.follow()
    assert (await store.load())[1] == {"acme": Level(shadow=True)}
    assert book.of("acme").shadow


async def test_asking_for_thresholds_asks_no_store(book: ThresholdBook, store: FailingStore) -> None:
    await book.change("acme", Level(shadow=True))
    before = store.asked
    assert [book.of(tenant).shadow for tenant in ("acme", "globex")] == [True, False]
    assert store.asked == before
