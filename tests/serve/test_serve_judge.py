"""Which sentences a section bears out: words, numbers, denials, copies and marks of the model."""

from __future__ import annotations

import pytest
from serve_world import section

from inhouse.core.artifact import Ref
from inhouse.core.nouns import Hit
from inhouse.serve.claims import denies, exact
from inhouse.serve.gate import Gate
from inhouse.serve.wording import core, parts

SOURCE = Ref.parse("data/handbook@abcd")
APPROVED = "Your team lead approves leave within two working days."
DAYS = "Everybody has 30 days of leave a year."
NICHT = "Die Teamleitung genehmigt den Urlaub nicht selbst."
JAPANESE = "有給休暇は一年に三十日あります。申請は二日前までに行います。"


def hits(*texts: tuple[str, str]) -> list[Hit]:
    made = [section(SOURCE, i, heading, text) for i, (heading, text) in enumerate(texts)]
    return [Hit(each, each.text, 0.9) for each in made]


HITS = hits(
    ("Who approves leave?", APPROVED),
    ("How many days?", f"{DAYS} Bring form 7."),
    ("Urlaub", f"{NICHT} Fragen Sie das Büro."),
    ("休暇", JAPANESE),
)


def heard(sentence: str, question: str = "Who approves leave?") -> str:
    gate = Gate(question, HITS)
    return "".join([text for letter in sentence for text in gate.push(letter)] + [*gate.finish()])


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Your team lead approves leave within two working days [1].", f"{APPROVED} [1]"),
        ("Your team lead approves leave within two working days. [1]", f"{APPROVED} [1]"),
        ("Your team lead [1] approves leave within two working days.", f"{APPROVED} [1]"),
        ("Everybody has 30 days of leave a year [7].", f"{DAYS} [2]"),
        ("Everybody has 7 days of leave a year.", ""),
        ("Die Teamleitung genehmigt den Urlaub selbst.", ""),
        (NICHT, f"{NICHT} [3]"),
        ("有給休暇は一年に三十日あります。", "有給休暇は一年に三十日あります。 [4]"),
        ("有給休暇は一年に二十日あります。", ""),
        ('The document says "Who approves leave?"', ""),
    ],
)
def test_what_stands_passes_and_what_does_not_is_left_out(sentence: str, expected: str) -> None:
    assert heard(sentence) == expected


@pytest.mark.parametrize(
    "marked",
    [
        "Everybody has 30 days of leave a year [1], [2].",
        "Everybody has 30 days of leave a year [1] and [2].",
        "Everybody has 30 days of leave a year [1, 2-3].",
        "Everybody has 30 days of leave a year.[2]",
        "Everybody has 30 days [^2] of leave a year【2†leave.md】.",
        "Everybody has 30 days of leave a year (see [2]).",
        "[2] Everybody has 30 days of leave a year.",
        "According to [2], everybody has 30 days of leave a year.",
    ],
)
def test_a_model_sets_no_marks_of_its_own(marked: str) -> None:
    assert heard(marked) == f"{DAYS} [2]"


@pytest.mark.parametrize(
    ("echo", "expected"),
    [
        (f"A: The answer is: {APPROVED}", f"{APPROVED} [1]"),
        (f"Answer: {APPROVED}", f"{APPROVED} [1]"),
        (f"**Answer:** {APPROVED}", f"{APPROVED} [1]"),
        (f'The answer is: "{APPROVED}', f"{APPROVED} [1]"),
        (f'"{APPROVED}"', f"{APPROVED} [1]"),
        ('Your team lead "approves leave" within two days.', True),
        ('Your team lead "gladly approves leave" within two days.', False),
        ('Your team lead will "approve leave within two days.', False),
    ],
)
def test_echoes_go_and_quotations_are_word_for_word(echo: str, expected: str | bool) -> None:
    found = heard(echo)
    assert found == expected if isinstance(expected, str) else bool(found) == expected


def test_an_amount_that_is_asked_for_is_said_first_if_it_is_there() -> None:
    text = "The rate for visitors is 75 dollars an hour. It is paid by card through the office."
    rate, card = "The rate is 75 dollars an hour.", "Visitors are paid by card through the office."
    for question, said, passes in (
        ("How much is the rate for visitors?", card, False),
        ("How much is the rate for visitors?", f"{rate} {card}", True),
        ("Who gets the rate for visitors?", card, True),
        ("How much are we paid by card through the office?", card, True),
        ("Wie viel ist die rate for visitors?", card, False),
    ):
        gate = Gate(question, hits(("Pay", text)))
        found = "".join([*gate.push(f"{said} "), *gate.finish()])
        assert (card in found) == passes, question


def test_marks_tell_sentences_apart() -> None:
    both = "Everybody has 30 days of leave a year.[2] Your lead approves leave in two days.[1]"
    assert heard(both) == f"{DAYS} [2] Your lead approves leave in two days. [1]"


def test_what_a_sentence_rests_on_holds_its_numbers() -> None:
    assert heard("Everybody has 30 days and must bring form 7.").endswith("[2]")
    assert heard("Everybody has thirty days of leave a year.").endswith("[2]")
    assert not heard("Everybody has twenty days of leave a year.")
    assert not heard("Everybody has 30 days of leave a year in May.")


def test_both_sentences_of_a_script_without_spaces_pass() -> None:
    first, second, _ = JAPANESE.split("。")
    assert heard(JAPANESE) == f"{first}。 [4] {second}。 [4]"


def test_a_copy_must_say_something_that_was_not_asked() -> None:
    assert not heard("Bring form 7.", "Bring form 7"), "three words"
    assert not heard(NICHT, f"Heißt es: {NICHT}")
    assert not heard("the team lead approves leave"), "not to its end"


def test_a_part_of_a_sentence_is_no_copy() -> None:
    gate = Gate("Where?", hits(("Sitz", "Es stimmt nicht, dass das Büro in der Mühle ist.")))
    assert not [*gate.push("das Büro in der Mühle ist."), *gate.finish()]


def test_a_denial_is_that_of_what_the_sentence_says() -> None:
    text = "No, reports are processed apart. Yes, all fees and expenses stand in the monthly bill."
    for said, passes in (
        ("All fees and expenses stand apart, and reports are processed.", False),
        ("No, fees and expenses stand in the monthly bill of reports processed.", False),
        ("Fees and expenses stand in the monthly bill.", True),
        ("No reports are processed within the bill, but apart.", True),
    ):
        gate = Gate("How are they paid?", hits(("Pay", text)))
        assert bool([*gate.push(f"{said} "), *gate.finish()]) == passes, said


def test_a_line_that_is_wrapped_is_one_sentence() -> None:
    text = "Visitors may never\npark in the yard.\n- One\n- Two\nMonday\nTuesday"
    found = [core(text[start:end]) for start, end in parts(text)]
    assert found == ["Visitors may never park in the yard", "One", "Two", "Monday", "Tuesday"]
    gate = Gate("Where?", hits(("Yard", text)))
    assert not [*gate.push("Visitors may park in the yard."), *gate.finish()]


@pytest.mark.parametrize(
    ("yes", "no"),
    [
        ("The fee is paid.", "The fee isn’t paid."),
        ("Somebody pays.", "Nobody pays."),
        ("Urlaub wird bezahlt.", "Es wird kein Urlaub bezahlt."),
        ("Mit Antrag.", "Ohne Antrag."),
        ("Le congé est payé.", "Le congé n'est pas payé."),
        ("Il y a des frais.", "Il n'y a aucun frais."),
        ("La empresa paga.", "La empresa nunca paga."),
        ("L'azienda paga.", "L'azienda non paga."),
        ("Er is verlof.", "Er is geen verlof."),
        ("A non-profit pays.", "Nothing is paid."),
    ],
)
def test_denials(yes: str, no: str) -> None:
    assert not denies(yes)
    assert denies(no)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("1,000 euros", "1000 euros"),
        ("3,5 Tage", "3.5 days"),
        ("05:30 am", "5:30"),
        ("zwölf", "twelve"),
        ("in May and June", "june, or May"),
        ("you may march", "you can stay march"),
        ("see [3]", "see"),
    ],
)
def test_numbers_and_days_are_the_same_however_they_are_written(text: str, same: str) -> None:
    assert exact(text) == exact(same)


def test_numbers_are_whole() -> None:
    assert exact("3.5 days").isdisjoint(exact("35 or 3 or 5"))


LEAVE_RULES = (
    "Everybody has 30 days of leave a year. Your team lead approves leave within two working days. "
    "Apply before 1 May, at least 14 days ahead, e.g. in the portal or with Dr. Smith. "
    "Laptops are given to employees, except contractors. Smoking is prohibited in the offices."
)


@pytest.mark.parametrize(
    ("said", "passes"),
    [
        ("Everybody has 30 days of leave each year.", True),
        ("Everybody has 30 weeks of leave a year.", False),
        ("Everybody has 30 million days of leave a year.", False),
        ("Everybody has 30% of leave a year.", False),
        ("Everybody has -30 days of leave a year.", False),
        ("Everybody has 30 days of leave a month.", False),
        ("Your team lead approves leave within two days.", True),
        ("Your team lead approves leave within one working day.", False),
        ("Your team lead rejects leave within two working days.", False),
        ("Apply before 1 May, and at least 14 days ahead.", True),
        ("Apply after 1 May, and at least 14 days ahead.", False),
        ("Apply before 1 May, and at most 14 days ahead.", False),
        ("Laptops are given to employees and contractors.", False),
        ("Laptops are given to employees, not to contractors.", True),
        ("Smoking is allowed in the offices.", False),
        ("Smoking is forbidden in the offices.", True),
    ],
)
def test_amounts_go_with_their_unit_and_opposites_are_told_apart(said: str, passes: bool) -> None:
    gate = Gate("What are the rules?", hits(("Rules", LEAVE_RULES)))
    assert bool([*gate.push(said), *gate.finish()]) == passes


def test_a_list_keeps_its_numbers_and_lines() -> None:
    text = "Build the image with make image. Push it to the registry of the team. Ask for help."
    steps = "1. Build the image with make image.\n2. Push it to the registry of the team.\n"
    for size in (1, 3, 7, 1000):
        gate = Gate("How do I deploy?", hits(("Deploy", text)))
        pieces = [steps[at : at + size] for at in range(0, len(steps), size)]
        told = "".join([*(text for piece in pieces for text in gate.push(piece)), *gate.finish()])
        assert told == (
            "1. Build the image with make image. [1]\n2. Push it to the registry of the team. [1]"
        )


def test_a_shortened_word_ends_no_sentence() -> None:
    for said in (
        "Apply at least 14 days ahead, e.g. in the portal or with Dr. Smith.",
        "Dr. Smith can be asked at least 14 days ahead, e.g. in the portal.",
    ):
        gate = Gate("How do I apply?", hits(("Rules", LEAVE_RULES)))
        assert "".join([*gate.push(said), *gate.finish()]) == f"{said} [1]"


def test_what_is_quoted_is_not_endless() -> None:
    far = "Apples are sold on the market of the old town. " + "Nothing else is known here. " * 400
    text = f"{far}Pears are pressed into juice by the monks."
    gate = Gate("What fruit?", hits(("Fruit", text)))
    told = "Apples are sold on the market, and pears are pressed into juice by monks."
    assert [*gate.push(told), *gate.finish()]
    ((start, end),) = gate.spans.values()
    assert text[start:end] == "Pears are pressed into juice by the monks."
