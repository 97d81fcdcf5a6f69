"""Templates of strings, whose code is kept: each is as new as Flask's, which compiles it again."""

from __future__ import annotations

import typing as t

import flask
import pytest

import quartish

#: What Jinja may call while it compiles, and what a template keeps.
KEPT = {
    "filter": "{{ 'a'|count }}",
    "filter of a filter": "{{ ('a'|upper)|count }}",
    "filter by a condition": "{{ ('a' if true else x)|count }}",
    "filter by a short cut": "{{ (false and x)|count }}",
    "filter in an argument": "{{ 'a'|default('b'|count) }}{{ ''|default('b'|count, true) }}",
    "filter of a block": "{% filter count %}a{% endfilter %}",
    "filter in text": "{{ 'a' ~ ('b'|count) }}{{ ['b'|count, 1] }}{{ {'k': 'b'|count}['k'] }}",
    "filter of Jinja's by another name": "{{ 'a'|upper }}",
    "test": "{% if 'a' is odd_time %}odd{% else %}even{% endif %}",
    "test that is printed": "{{ 'a' is odd_time }}{{ 'a' is not odd_time }}",
    "macro": "{% macro m(a='b'|count) %}{{ a }}{% endmacro %}{{ m() }}",
    "set": "{% set a = 'b'|count %}{{ a }}",
    "finalize": "{{ 'a' }}{{ 1 }}",
}


@pytest.mark.parametrize("name", KEPT)
def test_what_a_filter_returned_once_is_not_kept(name: str) -> None:
    def play(module: t.Any) -> list[t.Any]:
        numbers = iter(range(1000))
        app = module.Flask("app")
        if name == "finalize":
            app.jinja_options = {"finalize": lambda value: f"{value}:{next(numbers)} "}
        app.add_template_filter(lambda value: f"<{value}{next(numbers)}>", "count")
        app.add_template_test(lambda value: next(numbers) % 2 == 1, "odd_time")
        if "another name" in name:
            app.add_template_filter(lambda value: f"<{value}{next(numbers)}>", "upper")
        with app.app_context():
            return [module.render_template_string(KEPT[name]) for _ in range(3)]

    assert play(quartish) == play(flask)


def test_a_template_of_a_string_keeps_nothing_of_the_one_before() -> None:
    def play(module: t.Any) -> list[t.Any]:
        numbers = iter(range(1000))
        app = module.Flask("app")
        app.jinja_env.globals["tick"] = lambda: next(numbers)
        seen: list[t.Any] = []
        for _ in range(2):
            template = app.jinja_env.from_string("{% set a = tick() %}{{ late }}")
            seen += [template.module.a, template.render()]
            template.globals["late"] = "set later"
            seen.append(template.render())
        return seen

    assert play(quartish) == play(flask)


def test_strings_are_escaped_as_the_app_says_each_time() -> None:
    def play(module: t.Any) -> list[t.Any]:
        class App(module.Flask):  # type: ignore[misc]
            def select_jinja_autoescape(self, filename: str | None) -> bool:
                return module.request.path != "/text"

        app = App("app")
        app.add_url_rule(
            "/<name>",
            view_func=lambda name: module.render_template_string(
                "{{ '<' }}{{ x }}{{ [x]|join('&') }}", x="<"
            ),
        )
        client = app.test_client()
        return [client.get(path).text for path in ("/text", "/page", "/text", "/page")]

    assert play(quartish) == play(flask)
