"""Opposites: they only name the reason of a veto, since any unmatched word vetoes already."""

from __future__ import annotations

from synapse_cache.decision.stems import lemma

_PAIRS = """
safe unsafe|safe dangerous|legal illegal|lock unlock|enable disable|open close|open shut|start stop|start end|begin end
begin finish|buy sell|import export|increase decrease|raise lower|rise fall|up down|in out|on off|left right|win lose
gain lose|add remove|add subtract|add delete|create delete|create destroy|install uninstall|archive unarchive
pause resume|push pull|send receive|give take|borrow lend|accept reject|accept decline|accept refuse|allow forbid
allow prohibit|allow ban|include exclude|internal external|inside outside|indoor outdoor|hot cold|warm cool|wet dry
early late|old new|old young|rich poor|strong weak|hard soft|hard easy|difficult easy|light dark|light heavy|high low
long short|tall short|wide narrow|thick thin|deep shallow|fast slow|full empty|big small|large small|good bad
public private|love hate|like dislike|male female|man woman|boy girl|husband wife|mother father|son daughter
brother sister|king queen|buyer seller|employer employee|teacher student|parent child|landlord tenant|doctor patient
ancient modern|arrive depart|arrival departure|entry exit|enter leave|enter exit|arrive leave|positive negative
optimistic pessimistic|introvert extrovert|single married|alive dead|true false|right wrong|success failure
succeed fail|pass fail|attack defend|ally enemy|friend enemy|heaven hell|north south|east west|top bottom|front back
first last|always never|all none|maximum minimum|ascend descend|upload download|encode decode|encrypt decrypt
compress decompress|connect disconnect|deposit withdraw|credit debit|debit credit|hire fire|profit loss|asset liability
freeze unfreeze|follow unfollow|subscribe unsubscribe|mute unmute|cause cure|advantage disadvantage|pro con
approve reject|approve deny|confirm cancel|activate deactivate|join leave|show hide|expand collapse|maximize minimize
""".replace("\n", "|")

ANTONYMS = frozenset(frozenset(map(lemma, pair.split())) for pair in _PAIRS.split("|") if pair)
NEGATIVE_PREFIXES = ("un", "in", "im", "il", "ir", "dis", "non", "de", "mis", "anti", "a")
