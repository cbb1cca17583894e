"""The catalogue: every language has every text, with the same placeholders, and every text is used."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from string import Formatter
from typing import NamedTuple

import babel.numbers
import pytest
from jinja2 import Environment, nodes

import actors  # noqa: F401 - declares the task types
from i18n.catalogue import is_plural, t, translations
from i18n.formats import format_date, format_datetime, format_duration, format_time
from i18n.locale import ENGLISH, LANGUAGES, LOCALES, cldr_locale, plural_form, use_language
from i18n.numbers import format_number
from models import Lane, Outcome, State
from sandbox import dev_servers
from taskqueue.types import TYPES
from views.web.formatting import format_optional_number, format_optional_percent, task_count

OTHERS = [language for language in LANGUAGES if language != ENGLISH]
ANY = "*"
DYNAMIC = r"\w+"  # a part of a key that is inserted
PACKAGES = ("alerts", "i18n", "views")  # that show texts


class Use(NamedTuple):
    """A use of a key: where it is, a pattern of its keys, and the names of its values."""

    where: str
    key: str
    values: frozenset[str]

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(DYNAMIC.join(re.escape(part) for part in self.key.split(ANY)))


def forms(entry):
    """The texts of an entry: one, or one for each plural form."""
    return list(entry.values()) if isinstance(entry, dict) else [entry]


def placeholders(entry):
    return {name for text in forms(entry) for _, name, _, _ in Formatter().parse(text) if name is not None}


def keys_of_file(table, above=""):
    for name, entry in table.items():
        if isinstance(entry, dict) and not is_plural(entry):
            yield from keys_of_file(entry, f"{above}{name}.")
        else:
            yield above + name


def uses() -> list[Use]:
    return [*_in_templates(), *_in_code()]


def _in_templates() -> Iterator[Use]:
    for path in sorted((dev_servers.CHECKOUT / "templates").rglob("*.html")):
        for call in Environment().parse(path.read_text()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "t":
                for key in _template_keys(call.args[0]):
                    yield Use(path.name, key, frozenset(each.key for each in call.kwargs))


def _template_keys(node: nodes.Node) -> list[str]:
    match node:
        case nodes.Const():
            return [str(node.value)]
        case nodes.CondExpr():
            return [*_template_keys(node.expr1), *(_template_keys(node.expr2) if node.expr2 else [])]
        case nodes.Concat():
            return ["".join(_template_keys(part)[0] for part in node.nodes)]
    return [ANY]


def _in_code() -> Iterator[Use]:
    for path in (path for package in PACKAGES for path in sorted((dev_servers.CHECKOUT / package).rglob("*.py"))):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in ("t", "plain_text"):
                key = call.args[1] if call.func.id == "plain_text" else call.args[0]
                values = frozenset(each.arg or ANY for each in call.keywords)
                yield from (Use(path.name, each, values) for each in _code_keys(key))


def _code_keys(key: ast.expr) -> list[str]:
    match key:
        case ast.Constant():
            return [str(key.value)]
        case ast.IfExp():
            return [*_code_keys(key.body), *_code_keys(key.orelse)]
        case ast.JoinedStr():
            return ["".join(str(part.value) if isinstance(part, ast.Constant) else ANY for part in key.values)]
        case ast.Call(func=ast.Name(id="signed_out_text")):
            return [f"{each}{command}" for each in _code_keys(key.args[0]) for command in ("", "_command")]
    assert isinstance(key, ast.Name), ast.unparse(key)  # the caller's key
    return []


USES = uses()
TEMPLATES = sorted((dev_servers.CHECKOUT / "templates").rglob("*.html"))


# The files


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_keys(language):
    assert translations(language).keys() == translations(ENGLISH).keys()


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_files(language):
    assert {path.name for path in (LOCALES / language).iterdir()} == {
        path.name for path in (LOCALES / ENGLISH).iterdir()
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_key_is_in_two_files(language):
    files = [tomllib.loads(path.read_text()) for path in (LOCALES / language).glob("*.toml")]

    assert [
        key for key, times in Counter(key for each in files for key in keys_of_file(each)).items() if times > 1
    ] == []


@pytest.mark.parametrize("language", OTHERS)
def test_every_language_has_the_same_placeholders(language):
    translated = translations(language)

    assert {
        key for key, text in translations(ENGLISH).items() if placeholders(text) != placeholders(translated[key])
    } == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_placeholder_is_only_a_name(language):
    """Neither a format nor an attribute: a translator's mistake must not reveal anything, or break a page."""
    parsed = [
        part for text in translations(language).values() for form in forms(text) for part in Formatter().parse(form)
    ]

    assert [
        name for _, name, form, how in parsed if name is not None and (form or how or not name.isidentifier())
    ] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_counted_text_has_every_plural_form_of_its_language(language):
    counted = [text for text in translations(language).values() if isinstance(text, dict)]

    assert counted
    assert all(text.keys() == cldr_locale(language).plural_form.tags | {"other"} for text in counted)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_or_has_outer_spaces(language):
    texts = translations(language).items()

    assert [key for key, text in texts for form in forms(text) if form != form.strip() or not form] == []


@pytest.mark.parametrize("language", OTHERS)
def test_no_text_is_left_in_english(language):
    translated = translations(language)
    three_words = re.compile(r"[a-z]+ [a-z]+ [a-z]+")

    assert [
        key
        for key, text in translations(ENGLISH).items()
        if three_words.search(forms(text)[0]) and translated[key] == text
    ] == []


# Use


def test_every_task_type_has_its_label_and_description_and_no_other_has():
    found = {key for key in translations(ENGLISH) if key.startswith("type.")}

    assert found == {f"type.{name}.{text}" for name in TYPES for text in ("label", "about")}


def test_every_group_has_a_title_and_no_other_has():
    found = {key for key in translations(ENGLISH) if key.startswith("group.")}

    assert found == {f"group.{kind.group.name}" for kind in TYPES.values()}


@pytest.mark.parametrize(
    ("family", "names"), [("state", State), ("card", State), ("outcome", Outcome), ("lane", Lane)], ids=str
)
def test_every_state_outcome_and_lane_has_a_label(family, names):
    found = {key for key in translations(ENGLISH) if key.startswith(f"{family}.")}

    assert found == {f"{family}.{each.name.lower()}" for each in names}


def test_every_used_key_has_a_text():
    assert [use for use in USES if not any(use.pattern.fullmatch(key) for key in translations(ENGLISH))] == []


def test_every_text_is_used():
    patterns = [use.pattern for use in USES]

    assert [key for key in translations(ENGLISH) if not any(pattern.fullmatch(key) for pattern in patterns)] == []


def test_every_use_of_a_key_gives_all_its_values():
    exact = [use for use in USES if use.key in translations(ENGLISH)]

    assert [use for use in exact if use.values != required_values(translations(ENGLISH)[use.key])] == []


def required_values(entry):
    return placeholders(entry) | ({"count"} if isinstance(entry, dict) else set())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_has_no_untranslated_text(path):
    markup = Markup(re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", path.read_text(), flags=re.DOTALL))

    assert {text.strip() for text in markup.texts if re.search(r"[A-Za-z]", text)} <= {"YYYY-MM-DD"}  # ISO's own


class Markup(HTMLParser):
    """The texts of a page's markup, and the attributes that are read out or shown."""

    def __init__(self, text):
        super().__init__()
        self.texts = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.texts += [value for name, value in attributes if value and name in ("aria-label", "title", "placeholder")]

    def handle_data(self, data):
        self.texts.append(data)


def test_the_scan_finds_the_keys_of_many_files():
    """So that the tests above are not empty."""
    assert len({use.where for use in USES}) > 20
    assert {"type.*.label", "list.count", "attempt.left_out"} <= {use.key for use in USES}


def test_an_unknown_key_is_an_error():
    with pytest.raises(KeyError):
        t("no.such.key")


# Formats


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", ["1,234,567", "99.9%", "1.4 s", "2 h 10 min", "1 d 2 h", "1 task", "2,000 tasks", "10,000+ tasks"]),
        (
            "sv",
            [
                "1\u00a0234\u00a0567",
                "99,9\u00a0%",
                "1,4 s",
                "2 tim 10 min",
                "1 d 2 tim",
                "1 uppgift",
                "2\u00a0000 uppgifter",
                "Fler än 10\u00a0000 uppgifter",
            ],
        ),
    ],
)
def test_numbers_are_written_as_the_language_writes_them(language, expected):
    with use_language(language):
        assert [
            format_optional_number(1_234_567),
            format_optional_percent(0.9999),
            format_duration(1_400),
            format_duration(7_800_000),
            format_duration(93_600_000),
            task_count(1),
            task_count(2_000),
            task_count(10_000, more=True),
        ] == expected


@pytest.mark.parametrize(
    ("language", "date", "time", "instant"),
    [
        ("en", "3 Mar 2026", "08:05:09", "3 Mar 2026, 08:05:09"),
        ("sv", "2026-03-03", "08:05:09", "2026-03-03 08:05:09"),
    ],
)
def test_dates_are_written_as_the_language_writes_them(language, date, time, instant):
    at = datetime(2026, 3, 3, 8, 5, 9, tzinfo=UTC)
    with use_language(language):
        assert (format_date(at), format_time(at), format_datetime(at)) == (date, time, instant)


def test_a_month_in_english_has_three_letters():
    """September too, which British English shortens to Sept."""
    months = [format_date(datetime(2026, month, 1, tzinfo=UTC)).split()[1] for month in range(1, 13)]

    assert months == ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


@pytest.mark.parametrize("at", [datetime.min, datetime.max], ids=["first", "last"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_first_and_the_last_day_can_be_code_keys(language, at):
    with use_language(language):
        assert str(at.year) in format_datetime(at.replace(tzinfo=UTC))


@pytest.mark.parametrize("value", [0, 999, 2**53 + 1, 2**63 - 1, -12])
def test_a_whole_number_keeps_every_digit(value):
    assert format_optional_number(value).replace(",", "") == str(value)


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [(0.25, 1, "0.2"), (0.35, 1, "0.3"), (0.75, 1, "0.8"), (2.5, 0, "2"), (59.96, 1, "60.0")],
)
def test_a_decimal_is_rounded_to_the_nearest(value, places, text):
    assert format_number(value, places) == text


def test_formatting_does_not_change_the_locales_own_pattern():
    before = babel.numbers.format_decimal(1.25, locale="en")
    format_number(1.25, 1)

    assert babel.numbers.format_decimal(1.25, locale="en") == before


@pytest.mark.parametrize(("count", "form"), [(0, "other"), (1, "one"), (2, "other"), (21, "other")])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_count_chooses_the_plural_form(language, count, form):
    text = translations(language)["list.count"][form]

    with use_language(language):
        assert t("list.count", count=count) == text.format(count=count)


def test_a_language_with_more_plural_forms_has_them():
    assert [plural_form(count, "pl") for count in (1, 3, 5, 22, 25)] == ["one", "few", "many", "few", "many"]


def test_a_table_without_other_holds_entries_and_no_plural_forms():
    assert is_plural({"one": "", "other": ""})
    assert not is_plural({"one": "", "many": ""})
    assert not is_plural({"one": "", "other": "", "title": ""})


def test_a_language_is_used_until_the_block_ends():
    with use_language("sv"):
        assert t("app.sign_out") == "Logga ut"

    assert t("app.sign_out") == "Sign out"
