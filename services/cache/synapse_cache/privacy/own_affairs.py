"""Prompts that ask about the caller's own private state, so that the answer differs from user to user.

"What is my balance" does; "how do I check my balance" asks for instructions, and "why was my card declined" for
reasons, which are the same for everybody. A prompt counts only where its form asks for the state itself.
"""

from __future__ import annotations

import re

from synapse_cache.privacy.remembered import remembered

_LONGEST_ASKED = 600
"""Of a longer text only this much of its beginning and of its end is read: the question stands there."""

_THINGS = (
    r"(?:(?:account|bank|card|checking|savings|current|remaining|available|total|new|latest|last|next|recent|upcoming"
    r"|pending|open|monthly|electric(?:ity)?|phone|credit|gift|lab|blood|medical|work|shopping|grocery|reward|vacation"
    r"|home|shipping|billing|email|pay|bonus|unread|daily|weekly|personal|own|to-?do)\s){0,3}"
    r"(?:balances?|transactions?|purchases?|orders?|spendings?|expenses|statements?|bills?|invoices?|payments?"
    r"|refunds?|deposits?|paychecks?|payslips?|salary|wages?|income|savings|debts?|loans?|mortgage|credit\s(?:score"
    r"|limit|rating)|score|limit|points|miles|rewards?|coupons?|package|parcel|shipment|delivery|deliveries|order"
    r"|calendar|schedule|agenda|appointments?|meetings?|events?|reminders?|alarms?|timers?|tasks?|to-?dos?|list"
    r"|lists|notes?|inbox|e?-?mails?|messages?|voicemails?|notifications?|contacts?|texts?|calls?|missed\scalls"
    r"|playlists?|photos?|files|documents?|subscriptions?|membership|plan|policy|claims?|coverage|deductible"
    r"|insurance|benefits|pto|leave|vacation(?:\sdays?)?|holidays?|days\soff|sick\sdays|shifts?|grades?|gpa|marks"
    r"|homework|test\sresults?|results?|diagnos[ie]s|prescriptions?|medications?|medical\srecords?|weight|bmi"
    r"|heart\srate|blood\spressure|location|address|phone\snumber|account\snumber|routing\snumber"
    r"|card\snumber|passwords?|pin|username|user\sid|name|age|birthday|flights?|trip|itinerary|bookings?"
    r"|reservations?|tickets?|seat|gate|boarding\spass|cart|wish\s?list|cases?|application|status|profile|data"
    r"|usage|quota|license|registration)\b"
)
_MINE = r"(?:my|our)\s"
_POLITE = (
    r"(?:(?:hi|hey|hello|please|ok(?:ay)?|so|and|now|also|can|could|would|will|you|i|want|need|like|to|know|wanna"
    r"|quick\squestion|tell|me|just|do|check|see)[\s,:!.]{1,3}){0,8}"
)
_ASKS = re.compile(
    rf"""(?:^|[.?!,;:\n]\s{{0,3}}|\b(?:and|then|see|know)\s){_POLITE}(?:
      (?:what(?:['’]?s|\sis|\sare|\swas|\swere)|how\s(?:much|high|low|big|large)(?:['’]?s|\sis|\sare|\swas)?)\s
        (?:(?:the|left|on|in|of|all|currently|today['’]?s|status|total|current|remaining|latest|amount|due|date|sum
        |state|next|last|outstanding)\s){{0,5}}{_MINE}{_THINGS}(?!\s(?:for|mean|means|used|called|supposed|options?|methods?|rights?))
    | (?:show|list|read|give|tell|find|display|pull\sup|bring\sup|open|fetch|view|look\sup|check)\s(?:me\s|us\s|out\s)?
        (?:(?:the|all|what|status|of|total|current|latest|on|amount|in|is)\s){{0,4}}{_MINE}{_THINGS}
    | where(?:['’]?s|\sis|\sare)\s{_MINE}(?:\w{{2,20}}\s){{0,2}}(?:package|parcel|order|shipment|delivery|refund|money
        |payment|paycheck|car|phone|keys|luggage|baggage|driver|ride|uber|taxi|food|pizza)\b
    | when(?:['’]?s|\sis|\sare|\swill|\sdoes|\sdo|\sdid|\swas)\s{_MINE}(?:\w{{2,20}}\s){{0,2}}(?:package|parcel|order
        |shipment|delivery|flight|train|bill|payment|rent|appointment|meeting|interview|shift|payday|birthday|paycheck|salary
        |subscription|membership|insurance|reservation|booking|refund|exam|class)\b
    | (?:is|has|was|did|are|have|were)\s{_MINE}(?:\w{{2,20}}\s){{0,2}}(?:package|parcel|order|shipment|delivery|refund
        |payment|application|claim|flight|appointment|reservation|booking|bill|rent|paycheck|salary|prescription
        |results?|subscription|membership)\s(?:yet\s|already\s|been\s|being\s){{0,2}}(?:ready|due|late|paid|shipped|sent
        |dispatched|approved|confirmed|cancell?ed|delivered|arrived?|arriving|gone?|go|through|processed|received
        |accepted|on\s(?:time|its|the)|active|delayed|overdue|here|scheduled|booked|come|expired?|pending|denied)\b
    | (?:do|did|have|am|was|will)\si\s(?:have|got|get|owe|booked|scheduled|spend|spent|paid|pay|due|owed|earn|made|buy
        |bought|order(?:ed)?|receive|missed|miss|free|busy|on\scall|working)\b
        (?!\s(?:to|a\sright|rights|an?\sobligation|been|any\srecourse|the\sright|fees?|charged?))
        [^.?!\n]{{0,60}}?\b(?:today|tomorrow|tonight|yesterday|left|meetings?|appointments?|messages?|mails?|e-?mails?
        |calls?|events?|scheduled?|calendar|on\smy|in\smy|from\smy|this\s(?:week|month|year|morning|afternoon)
        |last\s(?:week|month|year|night)|bills?|alarms?|reminders?|points|days\soff|pto|vacation\sdays|leave|owe
        |reservation|booked|next\sweek|so\sfar|notifications?|packages?)\b
    | how\s(?:much|many)\s(?:[\w$€£]{{2,20}}\s){{0,4}}(?:do|did|have|am|are|was)\s(?:i|we)
        \s(?:still\s|now\s|currently\s|already\s)?(?:owe|owed|spend|spent|saved|earned|made|paid|accumulated?|used|taken|due|received|left
        |have\s(?:left|in|on|saved|available|accumulated|remaining|due)|got\s(?:left|in|on|saved))\b(?!\s(?:if|when|for\sa))
    | how\s(?:much|many)\s(?:[\w$€£]{{2,20}}\s){{0,4}}
        (?:is|are|left|do\si\s(?:now\s)?have)\s(?:left\s|there\s|still\s){{0,2}}(?:in|on)\smy\b
    | who\sam\si\b|where\sam\si\b(?!\s(?:able|allowed|going|supposed|doing|wrong))
    | what\sdid\si\s(?:buy|spend|order|purchase|pay|eat|ask|say|write)\b
    | what\s(?:do|did|have)\si\s(?:have|got|owe)\s(?:to\sdo\s|planned\s|scheduled\s|going\son\s)?(?:on|in|for|left|today
        |tomorrow|tonight|this|next|coming)\b
    | (?:am\si|are\swe)\s(?:free|busy|available|booked|overdrawn|working|scheduled|in\s(?:debt|the\sred))\b
    | track\s{_MINE}\w
    )""",
    re.VERBOSE,
)
_OTHER_LANGUAGES = re.compile(
    r"""\b(?:
      (?:mein|meine|meinen|meinem|meiner)\s(?:kontostand|guthaben|saldo|bestellung(?:en)?|paket|lieferung|rechnung(?:en)?
        |kalender|termine?|gehalt|punkte|vertrag|umsätze|nachrichten|e-?mails?|passwort|adresse|buchung)
    | (?:mon|ma|mes)\s(?:solde|commandes?|colis|livraison|factures?|calendrier|agenda|rendez-vous|salaire|points|contrat
        |messages|e-?mails?|mot\sde\spasse|adresse|réservation|transactions)
    | (?:mi|mis)\s(?:saldo|pedidos?|paquete|envío|facturas?|calendario|agenda|citas?|salario|puntos|contrato|mensajes
        |correos?|contraseña|dirección|reserva|transacciones|movimientos)
    | (?:meu|minha|meus|minhas)\s(?:saldo|pedidos?|encomenda|entrega|faturas?|calendário|agenda|salário|pontos|contrato
        |mensagens|e-?mails?|senha|endereço|reserva|transações|extrato)
    | (?:mio|mia|miei|mie)\s(?:saldo|ordin[ei]|pacco|consegna|fattur[ae]|calendario|agenda|appuntamenti|stipendio|punti
        |contratto|messaggi|e-?mail|password|indirizzo|prenotazione|transazioni)
    | mijn\s(?:saldo|bestelling(?:en)?|pakket|levering|factu(?:ur|ren)|agenda|afspraken|salaris|punten|contract
        |berichten|e-?mails?|wachtwoord|adres|boeking|transacties)
    | (?:moje|mój|moja|mojego|mojej|moich)\s(?:saldo|zamówieni\w{1,2}|paczk\w|przesyłk\w|faktur\w
        |kalendarz\w?|konto|punkty)
    | (?:мой|моя|моё|мои|моего|моей|моих)\s(?:баланс|заказ\w?|посылк\w|доставк\w
        |счет|счёт|счета|зарплат\w|календар\w|балл\w{1,2})
    | (?:bakiyem|siparişim|kargom|faturam|takvimim|randevularım|maaşım|puanım)\w{0,3}
    )\b
    | 我的(?:余额|餘額|订单|訂單|包裹|快递|账单|帳單|日历|日程|工资|积分|密码|地址|预订)
    | (?:私|僕|俺)の(?:残高|注文|荷物|請求|予定|カレンダー|給料|ポイント|予約)
    | (?:내|제)\s?(?:잔액|주문|택배|청구서|일정|캘린더|급여|포인트|예약)
    | (?:رصيدي|طلبي|طلباتي|شحنتي|فاتورتي|مواعيدي|راتبي|نقاطي)
    | (?:मेरा|मेरी|मेरे)\s(?:बैलेंस|बैलेन्स|ऑर्डर|पार्सल|बिल|कैलेंडर|वेतन|पॉइंट)
    """,
    re.VERBOSE,
)


@remembered
def about_the_caller(text: str) -> bool:
    """Whether `text` asks for something that only its sender's own records can answer."""
    if len(text) > 2 * _LONGEST_ASKED:
        text = f"{text[:_LONGEST_ASKED]}\n{text[-_LONGEST_ASKED:]}"
    low = " ".join(text.lower().split())
    return _ASKS.search(low) is not None or _OTHER_LANGUAGES.search(low) is not None
