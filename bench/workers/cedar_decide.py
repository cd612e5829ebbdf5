"""Decides with Cedar: may two people read an artifact whose source demands three groups?

The argument says how its policy and entities are held: ``kept`` parses them once, which is the
fastest that cedarpy offers, ``parsed`` hands them over at every call, so that each decision sees
what holds at that moment. The seconds of a round are those of one decision.
"""

import json
import sys
import time

import cedarpy

DECISIONS = 1000
POLICY = """
permit(principal, action == Action::"read", resource in Artifact::"data/memos")
when {
  (principal in Group::"hr" || principal in Group::"legal") && principal in Group::"buy-side"
};
"""
ENTITIES = [
    {
        "uid": {"type": "User", "id": "ana"},
        "attrs": {},
        "parents": [{"type": "Group", "id": "hr"}, {"type": "Group", "id": "buy-side"}],
    },
    {
        "uid": {"type": "User", "id": "cy"},
        "attrs": {},
        "parents": [{"type": "Group", "id": "it"}],
    },
    {
        "uid": {"type": "Artifact", "id": "models/desk"},
        "attrs": {},
        "parents": [{"type": "Artifact", "id": "data/memos"}],
    },
]
REQUESTS = [
    {
        "principal": f'User::"{name}"',
        "action": 'Action::"read"',
        "resource": 'Artifact::"models/desk"',
    }
    for name in ("ana", "cy")
]


def main() -> None:
    """Decide `DECISIONS` times for each line read, half of them a yes."""
    kept = sys.argv[1] == "kept"
    policies = cedarpy.PolicySet.from_str(POLICY) if kept else POLICY
    entities = cedarpy.Entities.from_json_str(json.dumps(ENTITIES)) if kept else ENTITIES
    for _ in sys.stdin:
        allowed = 0
        started = time.perf_counter()
        for number in range(DECISIONS):
            allowed += cedarpy.is_authorized(REQUESTS[number % 2], policies, entities).allowed
        seconds = time.perf_counter() - started
        assert allowed == DECISIONS / 2
        print(seconds / DECISIONS, flush=True)


if __name__ == "__main__":
    main()
