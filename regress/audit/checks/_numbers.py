"""Runs of digits that mean somebody: payment cards, IBANs, telephone numbers, national ids, addresses of machines.

What has a checksum is believed by it: ISO/IEC 7812 (Luhn) with the issuers' prefixes and lengths, ISO 13616 (mod 97)
with each country's length, the check characters of national ids. A telephone number has none, so it has to be written
like one. Numbers that are reserved for examples are told apart: 555-01xx, Ofcom's, the test cards of payment services.
"""

from __future__ import annotations

import ipaddress
import re

from regress.audit.checks._sighting import Rule, Sighting
from regress.audit.scanning import Place

TEST_CARDS = frozenset(
    (
        "4242424242424242", "4000056655665556", "5555555555554444", "2223003122003222", "5200828282828210",
        "5105105105105100", "378282246310005", "371449635398431", "378734493671000", "6011111111111117",
        "6011000990139424", "3056930009020004", "36227206271667", "38520000023237", "30569309025904",
        "3566002020360505", "6200000000000005", "4111111111111111", "4012888888881881", "4000000000000002",
        "4222222222222", "5454545454545454", "4444333322221111", "4917610000000000", "3530111333300000",
    )
)  # fmt: skip
IBAN_LENGTHS = {
    country: int(length)
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN", 21: "CH HR LI LV",
        22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
EXAMPLE_IBANS = frozenset(
    (
        "GB82WEST12345698765432", "DE89370400440532013000", "FR1420041010050500013M02606", "GB29NWBK60161331926819",
        "NL91ABNA0417164300", "ES9121000418450200051332", "IT60X0542811101000000123456", "BE68539007547034",
        "CH9300762011623852957", "AT611904300234573201", "SE4550000000058398257466", "IE29AIBK93115212345678",
        "DE75512108001245126199", "FR7630006000011234567890189", "GB33BUKB20201555555555", "NO9386011117947",
        "DK5000400440116243",
    )
)  # fmt: skip
TOLL_FREE = frozenset(
    (
        "800", "833", "844", "855", "866", "877", "888", "900",
    )
)  # fmt: skip
PHONE_WORDS = re.compile(
    r"\b(?:phone|tel|telephone|mobile|cell|call|fax|whatsapp|sms|text|dial|handy|teléfono|tél)\b", re.I
)
SSN_WORDS = re.compile(r"\bssn\b|social security", re.I)
VERSION_WORDS = re.compile(r"(?:version|\bv|release|section|firmware|build)\W*$", re.I)

_CARD = re.compile(r"(?<![\d.])(?:\d{4}([ -])\d{4}\1\d{4}\1\d{4}|3\d{3}([ -])\d{6}\2\d{4,5}|\d{13,19})(?![\d]|\.\d)")
_NANP = re.compile(r"(?<!\d)(?:\+?1[ .-]?)?(?:\((\d{3})\) ?|(\d{3})[ .-])(\d{3})[ .-](\d{4})(?!\d)")
_INTERNATIONAL = re.compile(r"(?<!\d)\+(?:[ ().-]{0,3}\d){8,15}(?!\d)")
_NATIONAL = re.compile(r"(?<!\d)0\d(?:[ ().-]{0,2}\d){7,10}(?!\d)")
_SSN = re.compile(r"(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_CPF = re.compile(r"(?<!\d)(\d{3})\.(\d{3})\.(\d{3})-(\d{2})(?!\d)")
_NIR = re.compile(r"(?<!\d)[12] ?\d{2} ?(?:0[1-9]|1[0-2]) ?\d{2} ?\d{3} ?\d{3} ?\d{2}(?!\d)")
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)")
_FISCAL_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", (
    1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10,
    22, 25, 24, 23), strict=True))  # fmt: skip


def digits_of(text: str) -> str:
    """The text's digits and nothing else."""
    return "".join(character for character in text if character in "0123456789")


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    doubled = (2 * int(digit) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(two - 9 if two > 9 else two for two in doubled)) % 10 == 0


def issued(digits: str) -> bool:
    """Whether a card with so many digits begins like this."""
    two, four = int(digits[:2]), int(digits[:4])
    match len(digits):
        case 13 | 19:
            return digits[0] == "4" or (len(digits) == 19 and digits.startswith(("62", "65")))
        case 14:
            return two in (36, 38, 39) or 300 <= int(digits[:3]) <= 305
        case 15:
            return two in (34, 37)
        case 16:
            return digits[0] == "4" or 51 <= two <= 55 or 2221 <= four <= 2720 or two in (62, 65) or four in (
                6011, *range(3528, 3590)
            )  # fmt: skip
        case _:
            return False


def iban_is_right(iban: str) -> bool:
    """Length of its country and remainder 1 modulo 97 (ISO 13616, ISO/IEC 7064 MOD 97-10); without spaces."""
    if IBAN_LENGTHS.get(iban[:2]) != len(iban):
        return False
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


def see_iban(place: Place) -> list[Sighting]:
    """The match begins with an IBAN, and may go on with words in capitals."""
    packed = place.text.replace(" ", "")
    iban = packed[: IBAN_LENGTHS.get(packed[:2], 0)]
    if not iban or not iban_is_right(iban):
        return []
    return [Sighting(Rule.RESERVED if iban in EXAMPLE_IBANS else Rule.IBAN, "IBAN", iban)]


def see_fiscal_code(place: Place) -> list[Sighting]:
    """Italy's codice fiscale, by its check letter."""
    code = place.text
    total = sum(_FISCAL_ODD[c] for c in code[0:15:2]) + sum(
        int(c) if c.isdigit() else ord(c) - 65 for c in code[1:15:2]
    )
    return [Sighting(Rule.NATIONAL_ID, "codice fiscale", code)] if ord(code[15]) - 65 == total % 26 else []


def see_digits(place: Place) -> list[Sighting]:
    """Everything that a run of digits, spaces, dots, hyphens and brackets can be; the surest first."""
    text = place.text
    if place.before[-1:].isalnum() or place.after[:1].isalnum():
        return []  # part of a code
    seen = [sighting for match in _CARD.finditer(text) if (sighting := _card(match.group(), place))]
    seen = seen or _national_ids(text, place)
    seen = seen or [sighting for match in _IPV4.finditer(text) if (sighting := _address(match.group(), place))]
    return seen or _phones(text, place)


def _card(text: str, place: Place) -> Sighting | None:
    digits = digits_of(text)
    if not issued(digits) or not luhn(digits) or place.before.endswith((".", "-", "_", "/", "=", "#")):
        return None
    made_up = digits in TEST_CARDS or len(set(digits)) <= 2 or digits[6:].startswith("00000000")
    return Sighting(Rule.RESERVED if made_up else Rule.CARD, "payment card", digits)


def _national_ids(text: str, place: Place) -> list[Sighting]:
    if match := _CPF.search(text):
        digits = digits_of(match.group())
        if len(set(digits)) > 1 and all(digits[n] == _cpf_digit(digits[:n]) for n in (9, 10)):
            return [Sighting(Rule.NATIONAL_ID, "CPF", digits)]
    if (match := _NIR.search(text)) and not text.startswith("+"):
        digits = digits_of(match.group())
        if int(digits[13:]) == 97 - int(digits[:13]) % 97:
            return [Sighting(Rule.NATIONAL_ID, "numéro de sécurité sociale", digits)]
    if match := _SSN.search(text):
        told = SSN_WORDS.search(place.before) is not None
        known = match.group() in ("123-45-6789", "078-05-1120", "219-09-9999")
        rule = Rule.NATIONAL_ID if told and not known else Rule.RESERVED
        return [Sighting(rule, "US social security number", match.group())]
    return []


def _cpf_digit(digits: str) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(digits, range(len(digits) + 1, 1, -1), strict=True))
    return str(total * 10 % 11 % 10)


def _address(text: str, place: Place) -> Sighting | None:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        return None
    if not address.is_global or VERSION_WORDS.search(place.before) or max(address.packed) < 20:
        return None  # nobody's address, or a version
    return Sighting(Rule.ADDRESS, "IP address", text)


def _phones(text: str, place: Place) -> list[Sighting]:
    if match := _INTERNATIONAL.search(text):
        digits = digits_of(match.group())
        if digits.startswith("1") and len(digits) == 11:
            return [_phone(digits, reserved=not _in_north_america(digits[1:]))]
        return [_phone(digits, reserved=_counts_up(digits) or digits.startswith(("447700900", "44207946")))]
    if match := _NANP.search(text):
        digits = digits_of(match.group())[-10:]
        return [_phone(digits, reserved=not _in_north_america(digits))]
    if (match := _NATIONAL.search(text)) and PHONE_WORDS.search(place.before):
        digits = digits_of(match.group())
        return [_phone(digits, reserved=_counts_up(digits) or digits.startswith(("07700900", "0207946")))]
    return []


def _phone(digits: str, *, reserved: bool) -> Sighting:
    return Sighting(Rule.RESERVED if reserved else Rule.PHONE, "telephone number", digits)


def _in_north_america(ten: str) -> bool:
    """Whether the number can be somebody's: no area or exchange begins with 0 or 1, and 555 and 800 are nobody's."""
    area, exchange = ten[:3], ten[3:6]
    return not (
        area[0] in "01" or exchange[0] in "01" or "555" in (area, exchange) or area in TOLL_FREE or _counts_up(ten)
    )


def _counts_up(digits: str) -> bool:
    return len(set(digits)) <= 2 or any(run in digits for run in ("123456", "234567", "987654", "000000", "111111"))
