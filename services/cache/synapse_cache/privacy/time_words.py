"""Words of time and of what changes by the hour in languages other than English, for the classes of freshness.

Only words that no English prompt is likely to have; where one means something else in another language, too, the
answer lives shorter than it could.
"""

from __future__ import annotations

import re

from synapse_cache.decision.wordlist import word_set

_WORD = re.compile(r"\w+")

_HOURLY = word_set(
    "wetter wettervorhersage nachrichten aktienkurs wechselkurs météo actualités pronóstico noticias cotización "
    "previsão notícias câmbio cotação meteo notizie nieuws wisselkoers pogoda pogodę wiadomości haberler döviz "
    "погода погоду новости"
)
_DAILY = word_set(
    "heute heutige heutigen heutiger heutiges jetzt aktuell aktuelle aktuellen aktueller aktuelles momentan derzeit "
    "gerade gestern morgen neueste neuesten neuester neuestes "
    "aujourd maintenant actuel actuelle actuels actuelles actuellement demain "
    "hoy ahora actualmente mañana ayer anoche último última últimos últimas "
    "hoje agora atual atualmente amanhã ontem "
    "oggi adesso attuale attuali attualmente domani ieri stasera stanotte ultimo ultima ultimi ultime "
    "vandaag momenteel huidige huidig gisteren vanavond nieuwste laatste "
    "dziś dzisiaj teraz obecnie aktualny aktualna aktualne aktualnie jutro wczoraj najnowszy najnowsza najnowsze "
    "bugün bugünkü şimdi güncel yarın dün "
    "сегодня сегодняшний сейчас завтра вчера текущий текущая текущее последние последний последняя "
    "idag imorgon igår nyeste senaste dnes zítra včera azi mâine holnap tegnap σήμερα τώρα αύριο χθες היום עכשיו"
)
_HOURLY_PHRASES = re.compile(
    r"\b(?:cours\sde|taux\sde\schange|qué\stiempo|tipo\sde\scambio|che\stempo|tasso\sdi\scambio|het\sweer|hava\sdurumu"
    r"|wie\sspät|wie\sviel\suhr|quelle\sheure|qué\shora|que\shoras|che\sor[ae]|hoe\slaat|która\sgodzina|saat\skaç"
    r"|который\sчас|курс\s(?:доллара|евро|валют))\b"
)
_DAILY_PHRASES = re.compile(
    r"\b(?:diese[rns]?\s(?:woche|monat|jahr)|letzte[rns]?\s(?:woche|monat|nacht|jahr)|nächste[rns]?\s(?:woche|monat|jahr)"
    r"|en\sce\smoment|hier\ssoir|cette\s(?:semaine|année)|ce\s(?:mois|soir|matin)|derni(?:er|ère)s?\s(?:version|nouvelles)"
    r"|(?:semaine|mois)\s(?:dernière?|prochaine?)|esta\s(?:semana|noche|noite)|este\s(?:mes|año)|neste\smomento"
    r"|questa\s(?:settimana|sera)|deze\s(?:week|maand)|w\stym\s(?:tygodniu|miesiącu)|şu\san\w{0,2}|bu\s(?:hafta|akşam)"
    r"|en\sson|на\sэтой\sнеделе|hôm\snay|hari\sini)\b"
)
_PHRASE_STARTS = word_set(
    "cours taux qué tipo che tasso het hava wie quelle que hoe która saat который курс diese diesen dieser dieses "
    "letzte letzten letzter letztes nächste nächsten nächster nächstes en hier cette ce dernier dernière "
    "derniers dernières semaine mois esta este neste questa deze w şu bu на hôm hari"
)
_HOURLY_SCRIPTS = re.compile(
    r"天气|天氣|新闻|新聞|汇率|股价|天気|ニュース|為替|株価|几点|幾點|何時|날씨|뉴스|환율|주가|몇\s?시"
    r"|الطقس|الأخبار|سعر|الساعة|मौसम|समाचार|भाव|कितने\sबजे"
)
_DAILY_SCRIPTS = re.compile(
    r"今天|现在|現在|明天|昨天|最新|目前|当前|今日|明日|昨日|今週|今夜|本周|这周|오늘|지금|내일|어제|현재|최신|이번\s?주"
    r"|اليوم|الآن|غدا|أمس|حاليا|الحالي|أحدث|هذا\sالأسبوع|आज|अभी|वर्तमान|ताजा|नवीनतम|วันนี้|ตอนนี้"
)


def say_hourly(low: str) -> bool:
    """Whether a text in lower case asks, in another language than English, for what changes by the hour."""
    words = frozenset(_WORD.findall(low))
    if not words.isdisjoint(_HOURLY) or (not low.isascii() and _HOURLY_SCRIPTS.search(low) is not None):
        return True
    return not words.isdisjoint(_PHRASE_STARTS) and _HOURLY_PHRASES.search(low) is not None


def say_daily(low: str) -> bool:
    """Whether a text in lower case has a word of time of another language than English."""
    words = frozenset(_WORD.findall(low))
    if not words.isdisjoint(_DAILY) or (not low.isascii() and _DAILY_SCRIPTS.search(low) is not None):
        return True
    return not words.isdisjoint(_PHRASE_STARTS) and _DAILY_PHRASES.search(low) is not None
