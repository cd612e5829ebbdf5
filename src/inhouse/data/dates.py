"""Dates as exports of wikis write them, to seconds since 1970."""

from __future__ import annotations

from datetime import UTC, datetime

from inhouse.core.nouns import YEAR_10000

FORMS = ("%b %d, %Y", "%B %d, %Y", "%b %d, %Y %I:%M %p", "%B %d, %Y %I:%M %p")


def moment(text: str) -> float:
    """Return the seconds since 1970 of a date in ISO 8601 or in English; 0.0 if it is none.

    So it is for a date before 1970, or that is in the year 10000 by UTC. Exports name no time
    zone, so it is taken for UTC.
    """
    for form in FORMS:
        try:
            return _seconds(datetime.strptime(text.strip(), form))
        except ValueError:
            continue
    try:
        return _seconds(datetime.fromisoformat(text.strip()))
    except ValueError:
        return 0.0


def _seconds(found: datetime) -> float:
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    seconds = aware.timestamp()
    return seconds if 0 < seconds < YEAR_10000 else 0.0
