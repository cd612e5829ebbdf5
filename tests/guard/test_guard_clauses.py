"""Findings as clauses of a label."""

from inhouse.core.label import Label
from inhouse.guard.clauses import label_of, label_of_findings, types_of
from inhouse.guard.guard import built_in


def test_findings_ask_for_a_group_that_may_read_their_type():
    label = label_of_findings(built_in().find("ana@example.com, ana@example.com"))
    assert str(label) == "pii|pii.email"
    assert Label.parse(str(label)) == label
    assert label.admits({"pii"})
    assert label.admits({"pii.email"})
    assert not label.admits({"pii.card", "hr"})


def test_a_label_tells_whether_a_text_is_free_of_personal_data():
    own = Label.parse("hr|legal")
    assert types_of(own) == frozenset()
    assert label_of([]) == Label.OPEN
    assert types_of(own.join(label_of(["card", "email"]))) == {"card", "email"}
