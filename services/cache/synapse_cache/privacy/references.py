"""Numbers that are private because of the words beside them: of orders, customers, plates, births, homes."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"(?<![A-Za-z0-9_/-])[A-Za-z]{0,8}[-/]?[A-Za-z]{0,4}\d[\w/-]*")
_WINDOW = 56
_MOST_TOKENS = 64
"""A text with more numbers than that is a table; it counts as if it named somebody."""

_NOUN = (
    r"order|ticket|invoice|receipt|booking|reservation|confirmation|customer|client|account|acct|member(?:ship)?|policy"
    r"|claim|tracking|reference|ref|transaction|parcel|package|shipment|delivery|contract|patient|employee|student"
    r"|passport|registration|serial|case|incident|loyalty|voucher|gift\s?card|card|meter|imei|vin|pnr|tax|insurance"
    r"|medicare|medicaid|nhs|visa|licen[cs]e|mrn|user|payment|return|refund|repair|support"
)
_DESIGNATED = re.compile(
    rf"\b(?:{_NOUN})[\s_-]{{0,2}}(?:numbers?|num|no\.?|nr\.?|nbr|id|code|ref(?:erence)?|\#|№|n[°º])"
    r"[\s_]{0,2}(?:is|was|of|:|=|-|,|\(|\#|['\"]){0,2}[\s\#'\"]{0,2}\Z"
)
_BARE = re.compile(
    r"\b(?:orders?|tickets?|invoices?|booking|reservation|case|incident|parcel|package|shipment|claim|policy|tracking"
    r"|customer|account|acct|transaction|reference|passport|patient|refund|pnr|vin|imei)"
    r"\s{0,2}(?:is|was|:|=|,)?\s{0,2}(\#?)\s?\Z"
)
_OTHER_LANGUAGES = re.compile(
    r"""(?:\b(?:
      (?:bestell|auftrags|rechnungs|kunden|vertrags|sendungs|buchungs|ticket|vorgangs|mitglieds|versicherungs|konto
        |steuer|ausweis|pass|personal|sozialversicherungs|paket)(?:nummer|-?nr\b\.?|-?id\b)
    | (?:num[ée]ro|n[°º]|num\.?)\s?(?:de\s|d['’])?(?:commande|client|dossier|facture|suivi|contrat|compte|passeport
        |r[ée]servation|s[ée]curit[ée]\ssociale|colis)
    | (?:n[úu]mero|n[°º.]|c[óo]digo)\s(?:de\s|do\s|da\s|del\s)?(?:pedido|cliente|factura|fatura|cuenta|conta|reserva
        |seguimiento|rastreio|contrato|pasaporte|passaporte|seguridad\ssocial|encomenda)
    | (?:numero|n\.|codice)\s(?:d['’]|di\s|del\s|della\s)?(?:ordine|cliente|fattura|conto|pratica|prenotazione
        |contratto|passaporto|spedizione|fiscale)
    | (?:bestel|klant|factuur|order|rekening|polis|dossier|paspoort|boekings|burgerservice)(?:nummer|nr\b\.?)
    | (?:numer|nr\.?)\s(?:zam[óo]wienia|klienta|faktury|konta|przesy[łl]ki|umowy|rezerwacji|paszportu|pesel)
    | (?:sipari[şs]|m[üu][şs]teri|fatura|hesap|takip|rezervasyon|pasaport|kimlik)\s(?:numaras[ıi]m?|numaram|no)
    | (?:номер\w{0,2}|№)\s(?:заказа|клиента|сч[её]та|договора|паспорта|карты|заявки|брони|посылки)|заказ\w?\s?№
    ) | رقم\s(?:الطلب|طلبي|العميل|الفاتورة|الحساب|حسابي|التتبع|الحجز|الهوية|الجواز)
    | (?:ऑर्डर|ग्राहक|खाता|बिल|आधार|टिकट|पासपोर्ट)\s(?:नंबर|संख्या|आईडी)
    | (?:订单|訂單|发票|客户|会员|账户|账号|快递|运单|护照|身份证|注文|お客様|会員|予約|口座
      |伝票|주문|고객|송장|예약|계좌)
      (?:编号|号码|番号|번호|号|號|单号)?
    )[^\d\n.?!。？！]{0,16}\Z""",
    re.VERBOSE,
)
_PLATE = re.compile(
    r"(?:plates?|vehicle\sreg(?:istration)?|car\sreg(?:istration)?|kennzeichen|matr[íi]cula|immatriculation|plaque"
    r"|targa|placa|kenteken|tablica|rejestracyjn\w{1,3}|plaka|номер\s(?:машины|авто)|车牌|ナンバー|번호판)[^\n?!]{0,24}\Z"
)
_PLATE_LETTERS = re.compile(r"(?<![\w-])(?:[A-ZÄÖÜА-Я]{1,3}[ -]?){1,2}\Z|[京沪粤津浙苏川]\s?[A-Z]?\s?\Z")

_DATE = (
    r"(?:\d{1,4}[-/.]\s?\d{1,2}[-/.]\s?\d{1,4}|\d{1,2}(?:st|nd|rd|th|\.|º)?\s(?:de\s|of\s)?[^\W\d_]{3,12}\.?,?"
    r"\s(?:de\s)?\d{2,4}|[^\W\d_]{3,12}\.?\s\d{1,2}(?:st|nd|rd|th)?,?\s\d{4}|\d{4}\s?[年년])"
)
_BIRTH_SIGNS = (
    *("born", "birth", "dob", "d.o.b", "gebor", "geburt", "naissance", "né", "née", "ne le", "nacim", "nací", "naci "),
    *("nascim", "nasci", "nascita", "nat", "geboorte", "urodz", "doğum", "dogum", "рожд", "родил", "出生", "生年月日"),
    *("誕生日", "생년월일", "الميلاد", "जन्म"),
)
_BIRTH = re.compile(
    r"(?:\b(?:i\swas\sborn|i['’]?m\sborn|my\sbirth(?:day|date)|d\.?o\.?b|date\sof\sbirth|birth\s?date|geburtsdatum"
    r"|ich\sbin\sam|geboren\sam|date\sde\snaissance|n[ée]e?\sle|fecha\sde\snacimiento|nac[íi]\sel|data\sde\snascimento"
    r"|nasci\sem|data\sdi\snascita|sono\snat[oa]\sil|geboortedatum|geboren\sop|data\surodzenia|urodzi[łl]\w{1,4}"
    r"|do[ğg]um\starihi\w{0,2}|дата\sрождения|родил\w{2,4})|出生|生年月日|誕生日|생년월일|تاريخ\sالميلاد|जन्म)"
    rf"[^\n?!]{{0,16}}?{_DATE}"
)
_STREET = re.compile(
    r"\b\d{1,5}[a-zA-Z]?,?\s(?:[NSEW]\.?\s)?(?:[A-ZÀ-Þ][\w'’.-]{1,30}\s){1,3}(?i:street|st|road|rd|avenue|ave|lane|ln|drive|dr"
    r"|boulevard|blvd|way|court|ct|place|pl|square|sq|terrace|close|crescent|highway|hwy)\b"
    r"|\b\w{2,30}(?:stra(?:ß|ss)e|str\.|gasse|weg|allee|platz|straat|laan|gracht|plein)\s\d{1,4}[a-z]?\b"
    r"|\b\d{1,4}(?:\s?(?:bis|ter))?,?\s(?:rue|avenue|boulevard|all[ée]e|impasse|chemin|quai)\s\w"
    r"|\b(?:calle|avenida|av\.|avda\.|rua|travessa|via|viale|piazza|corso|ul\.|ulica|aleja|ул\.|улица|проспект)"
    r"\s(?:[\w.'’]{1,30},?\s){1,4}(?:n[º°.]?\s?)?\d{1,5}\b"
    r"|\b\w{2,30}\s(?:sok(?:ak|\.)|cad(?:desi|\.)|mah(?:allesi|\.))\s(?:no\s?:?\s?)?\d{1,4}\b"
    r"|\b[A-Z]{1,2}\d[A-Z\d]?\s\d[A-Z]{2}\b"
)
_HOME = re.compile(
    r"\b(?:my|our|me|i|i['’]m|address|ship|deliver|mr|mrs|ms|dr|home|mein\w{0,2}|ich|wohn\w{1,3}|adresse"
    r"|liefer\w{1,4}|frau|herr|mon|ma|j['’]habite|habite|chez|mme|mi|vivo|direcci[óo]n|sra?|meu|minha|moro|endere[çc]o"
    r"|mio|mia|abito|indirizzo|mijn|woon|adres\w{0,3}|mieszkam|m[óo]j|oturuyorum|мой|живу|адрес\w{0,2})\b"
    r"|\b[a-z]{2,20}\s[a-z]{2,20},\s\d"
)
_YEAR = re.compile(r"(?:1[5-9]|20|21)\d\d(?:[-/](?:(?:19|20)?\d\d))?")
_FEWEST_DIGITS_BARE = 5
_FEWEST_DIGITS_MARKED = 3


def names_a_reference(text: str) -> bool:
    """Whether `text` tells the number of an order, a customer, an account, a vehicle or the like."""
    for count, found in enumerate(_TOKEN.finditer(text)):
        if count >= _MOST_TOKENS or _is_reference(found.group(), text[max(0, found.start() - _WINDOW) : found.start()]):
            return True
    return False


def names_a_person(text: str) -> bool:
    """Whether `text` tells somebody's date of birth, or the street and house of somebody's home."""
    low = text.lower()
    if any(sign in low for sign in _BIRTH_SIGNS) and _BIRTH.search(low) is not None:
        return True
    return _STREET.search(text) is not None and _HOME.search(low) is not None


def _is_reference(token: str, before: str) -> bool:
    digits = sum(character.isdigit() for character in token)
    if digits < _FEWEST_DIGITS_MARKED:
        return digits > 0 and _is_plate(token, before)
    low = before.lower()
    if _DESIGNATED.search(low) is not None or _OTHER_LANGUAGES.search(low) is not None:
        return True
    bare = _BARE.search(low)
    if bare is None or _YEAR.fullmatch(token):
        return _is_plate(token, before)
    mixed = token[0].isalpha() and len(token) >= 6
    return digits >= (_FEWEST_DIGITS_MARKED if bare[1] or mixed else _FEWEST_DIGITS_BARE)


def _is_plate(token: str, before: str) -> bool:
    """Letters and digits behind a word for a licence plate."""
    lettered = token[0].isupper() or token[-1].isupper() or _PLATE_LETTERS.search(before) is not None
    return lettered and len(token) + len(before) > 3 and _PLATE.search(before.lower()) is not None
