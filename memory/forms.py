"""English forms that no suffix rule joins: irregular verbs, spellings of two sides of an ocean, numbers as words."""

from __future__ import annotations

FORMS = """
awake awoke awoken|beat beaten|become became|begin began begun|bend bent
bite bit bitten|bleed bled|blow blew blown|break broke broken|breed bred|bring brought|build built|burn burnt
buy bought|catch caught|choose chose chosen|cling clung|come came|creep crept|deal dealt|dig dug|draw drew drawn
dream dreamt|drink drank drunk|drive drove driven|eat ate eaten|fall fell fallen|feed fed|feel felt|fight fought
find found|flee fled|fly flew flown|forbid forbade forbidden|forget forgot forgotten|forgive forgave forgiven
freeze froze frozen|get got gotten|give gave given|go went gone|grow grew grown|hang hung|hear heard
hide hid hidden|hold held|keep kept|kneel knelt|know knew known|lay laid|lead led|lean leant|leap leapt|learn learnt
leave left|lend lent|light lit|lose lost loss|make made|mean meant|meet met|mistake mistook mistaken|overcome overcame
pay paid|ride rode ridden|ring rang rung|run ran|say said|see saw seen|seek sought|sell sold|send sent
shake shook shaken|shine shone|shoot shot|show shown|shrink shrank shrunk|sing sang sung|sink sank sunk|sit sat
sleep slept|slide slid|speak spoke spoken|speed sped|spend spent|spin spun|spoil spoilt|stand stood|steal stole stolen
stick stuck|sting stung|strike struck|strive strove|swear swore sworn|sweep swept|swim swam swum|swing swung
take took taken|teach taught|tear tore torn|tell told|think thought|throw threw thrown|understand understood
wake woke woken|wear wore worn|weave wove woven|weep wept|win won|withdraw withdrew|write wrote written
favorite favourite|color colour|neighbor neighbour|neighborhood neighbourhood|honor honour|humor humour|flavor flavour
behavior behaviour|center centre|theater theatre|traveling travelling|traveler traveller|jewelry jewellery
pajamas pyjamas|gray grey|program programme|practice practise|license licence|organize organise
organization organisation|realize realise|recognize recognise|apologize apologise|cozy cosy|tire tyre
counselor counsellor|counseling counselling|cancelled canceled|donut doughnut|yogurt yoghurt|catalog catalogue
dialog dialogue|defense defence|mold mould|1 one|2 two|3 three|4 four|5 five|6 six|7 seven|8 eight|9 nine|10 ten
11 eleven|12 twelve|20 twenty|30 thirty|1st first|2nd second|3rd third|4th fourth|5th fifth
"""
"""Groups of words that are one, between bars and lines; the first of each stands for the others in every index.

Left out are forms that are more often another word: "rose", "ground", "wound", "bore".
"""
