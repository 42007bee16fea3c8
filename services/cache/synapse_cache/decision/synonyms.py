"""Words and spellings that mean the same in every context we could think of; the rest stays apart."""

from __future__ import annotations

_WORD_GROUPS = """
movie film|photo photograph|phone telephone|tv television telly|car automobile|bike bicycle|doctor physician
kid child|big large|begin start commence|purchase buy|modify alter|delete erase|select choose|reply respond
shut close|price cost|wealthy rich|permit allow|mandatory compulsory obligatory|unlawful illegal|lawful legal
require need|approximately roughly|nearly almost|vs versus|information info|examination exam|laboratory lab
mathematics math maths|advertisement advert ad|airplane aeroplane plane aircraft|quick rapid|attorney lawyer
database db|repository repo|directory folder|configuration config|administrator admin|parameter param
postcode zipcode|mom mum|fridge refrigerator|flu influenza|gym gymnasium|colleague coworker|assistance help
assist help|enquire inquire|enquiry inquiry|obtain get|inhabitant resident|garbage rubbish trash|sofa couch
pants trousers|elevator lift|happen occur|difficult hard|hardest toughest|simple easy|simplest easiest
simpler easier|adolescent teenager teen|depart leave|journal periodical|restaurant eatery|prerequisite prereq
characteristic feature|stay remain|frequently often|brave courageous|calm tranquil|somebody someone|anybody anyone
everybody everyone|authorization permission|currently now
""".replace("\n", "|")

_SPELLINGS = """
centre center|theatre theater|fibre fiber|grey gray|tyre tire|programme program|licence license|defence defense
offence offense|cheque check|catalogue catalog|dialogue dialog|aluminium aluminum|jewellery jewelry|mould mold
plough plow|pyjama pajama|practise practice|sceptical skeptical|enrol enroll|fulfil fulfill|instalment installment
judgement judgment|acknowledgement acknowledgment|ageing aging|skilful skillful|draught draft|artefact artifact
maths math|email e-mail|travelled traveled|favourite favorite|travelling traveling|cancelled canceled
cancelling canceling|labelled labeled|modelling modeling|receive recieve|separate seperate|definitely definately
address adress|believe beleive|business buisness|calendar calender|cancel cancle|committee comittee
environment enviroment|february feburary|foreign foriegn|government goverment|immediately immediatly
language langauge|library libary|necessary neccessary|occurred occured|password pasword|receipt reciept
recommend reccomend|restaurant restaurent|tomorrow tommorow|until untill|weird wierd|which wich|because becuase
transfer tranfer|withdrawal withdrawl|transaction transacton|payment paymet|account acount|beginning begining
different diffrent|experience experiance|friend freind|guarantee guarentee|height heigth|knowledge knowlege
maintenance maintainance|population popluation|privilege priviledge|pronunciation pronounciation|schedule schedual
success sucess|surprise suprise|capital captial|country contry|currency currancy|insurance insurence
language languge|exchange exchage|purchase purchace
""".replace("\n", "|")


def _groups(text: str) -> dict[str, str]:
    """Each word of a group to the group's first word."""
    out: dict[str, str] = {}
    for group in text.strip("|").split("|"):
        words = group.split()
        for word in words[1:]:
            out.setdefault(word, out.get(words[0], words[0]))
    return out


SPELLINGS = _groups(_SPELLINGS)
SYNONYMS = {word: head for word, head in _groups(_WORD_GROUPS).items() if word != head}
