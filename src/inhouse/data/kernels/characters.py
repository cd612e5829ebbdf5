"""What each character is, as bits in a table, and texts as arrays of characters.

Which characters part words follows spaCy's rules for English (https://spacy.io, MIT), which ones
end sentences or are symbols those of datatrove (https://github.com/huggingface/datatrove, Apache).
"""

from __future__ import annotations

import unicodedata
from functools import cache

import numpy as np
import numpy.typing as npt

from inhouse.data.kernels.compiled import compiled, inlined

SPACE = np.uint16(1)
LETTER = np.uint16(2)
LOWER = np.uint16(4)  # or of a script without case
UPPER = np.uint16(8)  # or of a script without case
DIGIT = np.uint16(16)  # 0 to 9
PREFIX = np.uint16(32)  # parts from what follows it
SUFFIX = np.uint16(64)  # parts from what it follows
QUOTE = np.uint16(128)
ICON = np.uint16(256)
BEFORE_STOP = np.uint16(512)  # a full stop behind it is a word of its own
SYMBOL = np.uint16(1024)  # words of these alone do not count as words
PUNCTUATION = np.uint16(2048)
SENTENCE_END = np.uint16(4096)
TERMINAL = np.uint16(8192)  # may end a line of prose
LINE_END = np.uint16(16384)
CURRENCY = np.uint16(32768)

# The planes behind hold ideographs and little else.
KNOWN = 0x20000
BEHIND = LETTER | LOWER | UPPER

PARTING = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
QUOTES = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉⟦⟧"
MONEY = "$£€¥฿₽﷼₴₠₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₵₶₷₸₹₺₻₼₾₿"
SYMBOLS = (
    "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！：$～«〉,><》)?）。…@_.\"}►»"
)
LINES = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
# Ends of sentences in the scripts of the world, by code point: Unicode's property Sentence_Terminal
# but for a few, as spaCy's sentencizer has them.
ENDS = (
    "!.?։؟۔܀-܂߹।॥၊။።፧፨᙮᜵᜶᠃᠉᥄᥅᪨-᪫᭚᭛᭞᭟᰻᰼᱾᱿‼‽⁇-⁉⸮⸼꓿꘎꘏꛳꛷꡶꡷꣎꣏꤯꧈꧉꩝-꩟꫰꫱꯫﹒﹖﹗！．？｡。"
    "𐩖𐩗𑁇𑁈𑂾-𑃁𑅁-𑅃𑇅𑇆𑇍𑇞𑇟𑈸𑈹𑈻𑈼𑊩𑑋𑑌𑗂𑗃𑗉-𑗗𑙁𑙂𑜼-𑜾𑩂𑩃𑪛𑪜𑱁𑱂𖩮𖩯𖫵𖬷𖬸𖭄𛲟𝪈"
)
MORE_ENDS = "؞؝࠷࠹࠽࠾។-៚᭽᭾⹓⹔𐽕-𐽙𐾆-𐾉𑥄𑥆𑻷𑻸𑽃𑽄𖺘"


@cache
def table() -> npt.NDArray[np.uint16]:
    """Return the bits of each character, uint16 of shape [KNOWN]."""
    found = np.zeros(KNOWN, np.uint16)
    for code in range(KNOWN):
        found[code] = _bits(chr(code))
    for characters, bits in (
        (PARTING, PREFIX | SUFFIX | BEFORE_STOP),
        (QUOTES, PREFIX | SUFFIX | QUOTE | BEFORE_STOP),
        (MONEY, PREFIX | CURRENCY),
        ("§%=", PREFIX),
        ("—–", PREFIX | SUFFIX),
        ("%²-+|?:()", BEFORE_STOP),
        ("0123456789", DIGIT | BEFORE_STOP),
        (SYMBOLS, SYMBOL),
        (LINES, LINE_END),
        (_spread(ENDS), SENTENCE_END | TERMINAL | SYMBOL),
        (_spread(MORE_ENDS), TERMINAL | SYMBOL),
    ):
        for character in characters:
            found[ord(character)] |= bits
    # As datatrove has it: controls are symbols, but for a tab and what begins the second half.
    for code in (*range(9), *range(11, 32), *range(127, 160)):
        found[code] |= SYMBOL
    return found


def _bits(character: str) -> int:
    category = unicodedata.category(character)
    bits = int(SPACE) if character.isspace() else 0
    if category[0] == "L":
        bits |= int(LETTER)
        bits |= int(LOWER | BEFORE_STOP) if category != "Lu" else 0
        bits |= int(UPPER) if category not in ("Ll", "Lm") else 0
    elif category[0] == "P":
        bits |= int(PUNCTUATION)
    elif category == "So":
        bits |= int(ICON | PREFIX | SUFFIX)
    return bits


def _spread(characters: str) -> str:
    """Return the characters of a list in which ``a-c`` stands for a, b and c."""
    found: list[str] = []
    i = 0
    while i < len(characters):
        if characters[i + 1 : i + 2] == "-" and i + 2 < len(characters):
            found += map(chr, range(ord(characters[i]), ord(characters[i + 2]) + 1))
            i += 3
        else:
            found.append(characters[i])
            i += 1
    return "".join(found)


@inlined
def bits_of(bits, code):
    """Return the bits of a character."""
    return bits[code] if code < KNOWN else BEHIND


@compiled
def decoded(data, start, stop, codes):
    """Write the characters of UTF-8 bytes into `codes`; return how many there are."""
    count, i = 0, start
    while i < stop:
        first = np.int32(data[i])
        if first < 0x80:
            codes[count] = first
            i += 1
        elif first < 0xE0:
            codes[count] = (first & 0x1F) << 6 | (data[i + 1] & 0x3F)
            i += 2
        elif first < 0xF0:
            codes[count] = (first & 0x0F) << 12 | (data[i + 1] & 0x3F) << 6 | (data[i + 2] & 0x3F)
            i += 3
        else:
            upper = (first & 0x07) << 18 | (data[i + 1] & 0x3F) << 12
            codes[count] = upper | (data[i + 2] & 0x3F) << 6 | (data[i + 3] & 0x3F)
            i += 4
        count += 1
    return count
