"""Text that is not clearly English: the same words may hit, anything else never does, whatever the verifier thinks."""

from __future__ import annotations

import pytest

from synapse_cache.decision import Candidate, Standing, VerifiedDecision, analyse
from synapse_cache.decision.screening import screen
from tests.support.cache_world import CALIBRATION

DIFFERENT = {
    "German": [
        ("Ist es sicher, Ibuprofen mit Alkohol zu nehmen?", "Ist es unsicher, Ibuprofen mit Alkohol zu nehmen?"),
        ("Darf ich nach der Impfung Sport machen?", "Darf ich nach der Impfung keinen Sport machen?"),
        ("Flug von Berlin nach Rom", "Flug von Rom nach Berlin"),
        ("Termin absagen", "Termin buchen"),
        ("den Hund beißt der Mann", "der Hund beißt den Mann"),
        ("Warum brennt mein Auge", "Warum brennt mein Auto"),
    ],
    "French": [
        ("Quelle est la capitale de la France ?", "Quelle est la capitale de la Chine ?"),
        ("Puis-je boire après l'opération ?", "Puis-je boire avant l'opération ?"),
        ("annuler commande", "suivre commande"),
    ],
    "Spanish": [
        ("¿Cuál es la capital de Chile?", "¿Cuál es la capital de Cuba?"),
        ("vuelo de Lima a Quito", "vuelo de Quito a Lima"),
        ("receta con huevo", "receta sin huevo"),
    ],
    "Portuguese": [("como cancelar conta", "como criar conta"), ("receita com leite", "receita sem leite")],
    "Italian": [("come aprire un conto", "come chiudere un conto"), ("volo da Roma a Milano", "volo da Milano a Roma")],
    "Dutch": [
        ("rekening openen", "rekening sluiten"),
        ("Wat is de hoofdstad van Peru?", "Wat is de hoofdstad van Cuba?"),
    ],
    "Polish": [("otworzyć konto", "zamknąć konto"), ("Jaka jest stolica Peru?", "Jaka jest stolica Kuby?")],
    "Turkish": [("hesap kapat", "hesap aç"), ("Peru'nun başkenti neresidir?", "Küba'nın başkenti neresidir?")],
    "Swedish": [("Vad ar huvudstaden i Norge?", "Vad ar huvudstaden i Island?")],
    "Finnish": [("Mika on Ruotsin paakaupunki", "Mika on Norjan paakaupunki")],
    "Romanian": [("Care este capitala Spaniei", "Care este capitala Greciei")],
    "Indonesian": [("cara membuka rekening", "cara menutup rekening")],
    "Russian": [("можно пить алкоголь", "нельзя пить алкоголь"), ("открыть счет", "закрыть счет")],
    "Greek": [("Ποια είναι η πρωτεύουσα της Γαλλίας;", "Ποια είναι η πρωτεύουσα της Ισπανίας;")],
    "Arabic": [("ما هي عاصمة فرنسا؟", "ما هي عاصمة إسبانيا؟"), ("فتح حساب", "إغلاق حساب")],
    "Hebrew": [("מהי בירת צרפת?", "מהי בירת ספרד?")],
    "Hindi": [("खाता खोलना", "खाता बंद करना"), ("फ्रांस की राजधानी क्या है?", "स्पेन की राजधानी क्या है?")],
    "Thai": [("เมืองหลวงของฝรั่งเศสคืออะไร", "เมืองหลวงของเยอรมนีคืออะไร")],
    "Chinese": [("我可以喝酒吗", "我不可以喝酒吗"), ("法国的首都是哪里？", "德国的首都是哪里？")],
    "Japanese": [("食べてもいい", "食べてはいけない"), ("口座を開く", "口座を閉じる")],
    "Korean": [("계좌 개설", "계좌 해지"), ("프랑스의 수도는 어디입니까?", "독일의 수도는 어디입니까?")],
    "letters that only look alike": [
        ("What is the capital of France?", "What is the capital of Fr\u0430nce?"),
        ("Transfer money to Paul", "Transfer money to \u0420aul"),
    ],
    "characters that nobody sees": [
        ("Is it possible?", "Is it im\u200bpossible?"),
        ("What is 12 plus 3?", "What is 1\u200b2 plus 3?"),
        ("a b", "a\u200bb"),
        ("What is 12 of 34?", "What is \u202e12 of 34?"),
    ],
    "accents": [
        ("Wie schon ist es", "Wie schön ist es"),
        ("feliz año nuevo", "feliz ano nuevo"),
        ("Where can I buy a resume", "Where can I buy a résumé"),
        ("Que es papa", "Que es papá"),
    ],
}
SAME = [
    ("¿Cuál es la capital de Chile?", "cuál es la capital de chile"),
    ("Wie heißt die Hauptstadt von Peru?", "wie heißt die  hauptstadt von peru"),
    ("Какая столица Перу?", "какая столица перу"),
    ("法国的首都是哪里？", "法国的首都是哪里"),
    ("ما هي عاصمة فرنسا؟", "ما هي عاصمة فرنسا"),
    ("Qu'est-ce que le caf\u00e9", "qu'est-ce que le cafe\u0301 ?"),
]


async def certain(_asked: str, _stored: str) -> float | None:
    """A verifier that takes everything for the same."""
    return 30.0


async def served(asked: str, stored: str) -> bool:
    """Whether the answer to `stored` would serve `asked` at the highest bar there is."""
    decision = VerifiedDecision(CALIBRATION, certain)
    verdict = await decision.decide(asked, [Candidate("e", stored, 0.999)], Standing(max_error=1.0, bar=1.0))
    return verdict.candidate is not None


@pytest.mark.parametrize(("one", "other"), [pair for pairs in DIFFERENT.values() for pair in pairs])
async def test_other_words_of_another_language_never_share_an_answer(one: str, other: str) -> None:
    assert screen(analyse(one), analyse(other)).final is not None
    assert not await served(one, other)
    assert not await served(other, one)


@pytest.mark.parametrize(("one", "other"), SAME)
async def test_the_same_words_share_an_answer_in_every_language(one: str, other: str) -> None:
    assert await served(one, other)
    assert await served(other, one)


async def test_english_is_for_the_verifier_to_judge() -> None:
    """Or the claims above would say nothing about languages."""
    assert await served("How do I close my account?", "How do I terminate my account?")
