"""What counts as a personal identifier, what does not, and what finding out costs."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_cache.privacy import identifiers
from synapse_cache.privacy.privacy import has_identifiers

PRIVATE = {
    "email": [
        "Write to ann.smith+shop@mail.example.org please",
        "Meine Adresse ist jörg@bücher.de",
        "contact ann (at) example (dot) com",
        "reach me at ann at example dot com",
        "ａｎｎ＠example.com wants a refund",
        "an\u200bn@exam\u200bple.com wants a refund",
    ],
    "phone": [
        "Call me on +49 170 1234567",
        "my number is (415) 555-2671",
        "415-555-2671 keeps calling me",
        "1-800-555-1234 who is that",
        "020 7946 0958",
        "07700 900123",
        "06 12 34 56 78",
        "06.12.34.56.78",
        "ring 0170/1234567",
        "+33 6 12 34 56 78",
        "8 (912) 345-67-89",
        "(11) 91234-5678",
        "090-1234-5678",
        "138 0013 8000",
        "98765 43210",
        "tel 555-2671",
        "мой телефон 123 45 67",
        "手机 １３８００１３８０００",
        "رقم هاتفي ٠٥٠١٢٣٤٥٦٧",
    ],
    "account": [
        "my card 4111 1111 1111 1111 was declined",
        "4111111111111111",
        "amex 3782 822463 10005",
        "IBAN DE89 3704 0044 0532 0130 00",
        "iban gb82west12345698765432",
        "account 12-34-56 12345678",
        "SSN 078-05-1120",
        "my passport number is C01X00T47",
        "passport 123456789",
        "QQ 12 34 56 C is my NI number",
        "DNI 12345678Z",
        "CPF 123.456.789-09",
        "PAN ABCDE1234F",
        "1234 5678 9012 is my Aadhaar",
        "身份证 11010519491231002X",
        "personnummer 850709-9805",
        "RSSMRA85T10A562S",
        "756.1234.5678.97",
    ],
    "reference": [
        "Where is order 48213?",
        "order #4821 status",
        "order no. A-4821",
        "Order ID: 998-AB2",
        "ticket #4521 is still open",
        "Invoice INV-2023-001 is wrong",
        "my customer number is 88213",
        "booking reference X7K9P2",
        "case number 00123",
        "claim 7712345",
        "Meine Bestellnummer ist 48213",
        "Rechnungsnr. 2023-4711",
        "numéro de commande 48213",
        "numero di ordine: 48213",
        "número de pedido 48213",
        "bestelnummer 48213",
        "numer zamówienia 48213",
        "sipariş numarası 48213",
        "номер заказа 48213",
        "订单号48213",
        "注文番号は48213です",
        "주문번호 48213",
        "رقم الطلب 48213",
        "ऑर्डर नंबर 48213",
        "1Z999AA10123456784",
        "RR123456789GB",
        "order 114-3941689-8772232",
    ],
    "plate": [
        "my licence plate is AB12 CDE",
        "The number plate B AB 1234 was seen",
        "Mein Kennzeichen ist M-AB 1234",
        "plaque d'immatriculation AB-123-CD",
        "targa AB123CD",
    ],
    "network": [
        "Why does 203.0.113.77 scan me?",
        "ssh to 84.17.22.9 fails",
        "2001:db8::ff00:42:8329 is unreachable",
        "00:1A:2B:3C:4D:5E",
        "001a.2b3c.4d5e",
    ],
    "home": [
        "I live at 12 Oak Street",
        "ship it to 221B Baker Street please",
        "my address is 4 Privet Drive",
        "Ich wohne in der Musterstraße 12",
        "j'habite 12 rue de la Paix",
        "Vivo en calle Mayor 5",
        "abito in via Roma 10",
        "ik woon op Kerkstraat 12",
        "mieszkam przy ul. Długa 5",
        "my postcode is SW1A 1AA",
        "John Smith, 12 Oak Street",
    ],
    "birth": [
        "I was born on 3 May 1990",
        "my date of birth is 1990-05-03",
        "DOB: 03/05/1990",
        "my birthday is May 3rd, 1990",
        "geboren am 3. Mai 1990",
        "née le 3 mai 1990",
        "nací el 3 de mayo de 1990",
    ],
    "secret": [
        "sk-proj-abcdefghijklmnop1234",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "-----BEGIN RSA PRIVATE KEY-----",
        "my password is hunter2",
        "password: S3cret!pass",
        "Mein Passwort ist geheim99",
        "my pin is 1234",
        "d41d8cd98f00b204e9800998ecf8427e",
        "dGhpcyBpcyBhIHRlc3Qgb2YgYSBsb25nIGJhc2U2NCBibG9i",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "123E4567-E89B-12D3-A456-426614174000",
        "https://ann:pw@example.com/x",
        "https://example.com/reset?token=abc123def456",
        "curl -H 'Authorization: Bearer abcdefghijklmnop'",
    ],
}
ORDINARY = [
    "What is the capital of France?",
    "How do I track my order?",
    "Why was my card declined?",
    "What is 17 * 23 + 42?",
    "Convert 1,000,000,000 to words",
    "How far is 1000000000 km?",
    "Pi is 3.14159265358979",
    "World wars 1914-1918 and 1939-1945",
    "Flights from 2023-01-15 to 2023-02-20 10:30",
    "from 15.01.2023 until 20.02.2023",
    "Sort 5 3 8 1 9 2 7 4 6",
    "The list is 10 20 30 40 50",
    "phones in the range of 20000-25000",
    "a laptop between 8000 - 10000",
    "Python 3.11.4 or 3.12?",
    "What is 127.0.0.1?",
    "open 192.168.1.1 in the browser",
    "What are 8.8.8.8 and 255.255.255.0?",
    "std::vector<int> or std::array?",
    "How do I use react@18.2.0?",
    "git clone git@github.com:a/b.git",
    "@ann posted a photo",
    "What does HTTP 404 mean? And error code 500?",
    "Apollo 11 landed in 1969",
    "RFC 2616, section 14",
    "call it 7 or 8 times",
    "order 2023 calendars",
    "Who lives at 10 Downing Street?",
    "Where is 1600 Pennsylvania Avenue?",
    "Einstein was born on 14 March 1879",
    "How do I reset my password?",
    "Is a 12 character password secure?",
    "What is a private key?",
    "internationalisation-and-localisation-of-user-interfaces",
    "/usr/local/lib/python3/site-packages/example/module",
    "def test_something_with_a_long_name_of_many_words(self): return 1",
    "My car goes 100 km/h",
    "the population was 83 million in 2020",
    "https://example.com/articles/2023/05/some-title?page=2",
    "What is today's date in 1999-12-31 format?",
]


@pytest.mark.parametrize("text", [text for texts in PRIVATE.values() for text in texts])
def test_a_personal_identifier_is_seen(text: str) -> None:
    assert has_identifiers(text)


@pytest.mark.parametrize("text", ORDINARY)
def test_an_ordinary_prompt_is_none(text: str) -> None:
    assert identifiers.kind(text) is None


@pytest.mark.parametrize("text", [texts[0] for texts in PRIVATE.values()])
def test_an_identifier_is_seen_anywhere_in_a_long_text(text: str) -> None:
    filler = "Please read all of this before you answer. " * 60
    assert has_identifiers(f"{filler}{text}. {filler}")


def test_a_text_too_long_to_be_searched_counts_as_private() -> None:
    assert has_identifiers("word " * 5_000)


HARD = [
    "a", "1", "a1", "1 ", "1-", "(1", "+1", "1.", "@", "a@", "a@a.", "a.", "-", "A1", "AA11 ", "aB3", "0:", "::", "f0:",
    "order ", "order # ", "order no ", "12 A ", "12 Ab ", "my pin is ", "plate ", "born on 1 ", "number ", "=", "?key=",
    "://", "eyJ", "sk-", "at ", " (at", "via a ", "1/1/", "0x", "٣", "é", "\u200b", "passport", "numéro de ", "客户",
]  # fmt: skip


def work(text: str) -> float:
    """Seconds of this process's own time to search `text`, the best of five tries."""

    def once() -> float:
        begun = time.process_time_ns()
        identifiers.kind(text)
        return (time.process_time_ns() - begun) / 1e9

    return min(once() for _ in range(5))


@pytest.mark.parametrize("piece", HARD)
def test_four_times_the_text_is_about_four_times_the_work(piece: str) -> None:
    small = work(piece * (4_000 // len(piece)))
    large = work(piece * (16_000 // len(piece)))
    assert large <= 8 * small + 0.002, (small, large)


@given(st.text(alphabet=string.printable + "äß١漢\u200b", max_size=200))
def test_every_text_has_a_verdict_whatever_stands_around_it(text: str) -> None:
    assert has_identifiers(f"{text} ann@example.com {text}")
    assert isinstance(has_identifiers(text), bool)
