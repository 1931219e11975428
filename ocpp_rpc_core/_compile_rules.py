"""What counts as a number, an integer, a date-time and a URI, wherever a payload is judged.

Values are what `json` makes: dict, list, str, int, float, bool, None.
"""

import re
import sys

FINITE = sys.float_info.max
"""The largest double: a JSON number beyond it is refused."""


class Invalid(Exception):
    """The payload does not follow its schema; `_compile_explain` tells how."""


def is_number(value: object) -> bool:
    """Whether it is a number that fits a double: not infinite, not NaN, not hundreds of digits long."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -FINITE <= value <= FINITE


def is_integer(value: object) -> bool:
    """Whether it is a number without a fraction, such as 1 or 1.0."""
    return is_number(value) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


_DATE_TIME = re.compile(
    # The group takes the days that not every month has.
    r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8]|(29|30|31))"
    r"[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
).fullmatch


def is_date_time(text: str) -> bool:
    """Whether it is a date-time as in RFC 3339 5.6, which needs an offset, on a day of the calendar.

    Leap seconds are accepted at any time: nobody knows the future ones.
    """
    match = _DATE_TIME(text)
    if match is None or match[1] is None:
        return match is not None
    year, month, day = int(text[:4]), int(text[5:7]), int(match[1])
    if month == 2:
        return day == 29 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day < 31 or month not in (4, 6, 9, 11)


_PLAIN = r"[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2}"
_URI = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*:"
    # The authority: user, host (perhaps an IP literal in brackets), port.
    rf"(?://(?:(?:{_PLAIN}|:)*@)?(?:\[[0-9A-Za-z:._~!$&'()*+,;=-]+\]|(?:{_PLAIN})*)(?::[0-9]*)?(?=[/?#]|\Z)|(?!//))"
    rf"(?:{_PLAIN}|[:@/])*(?:\?(?:{_PLAIN}|[:@/?])*)?(?:\#(?:{_PLAIN}|[:@/?])*)?"
).fullmatch


def is_uri(text: str) -> bool:
    """Whether it is an absolute URI as in RFC 3986, of any scheme, such as `git+ssh://host/path`."""
    return _URI(text) is not None


def is_regex(text: str) -> bool:
    """Whether it is a regular expression that Python understands."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return True
