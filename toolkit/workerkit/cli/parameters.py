"""What options take, with errors that name the nearest of what there is."""

from __future__ import annotations

from collections.abc import Sequence

import click

from workerkit.errors import suggest


class OneOf(click.Choice[str]):
    """One of a few words; the error for another names the nearest one."""

    def get_invalid_choice_message(self, value: str, ctx: click.Context | None) -> str:
        """The sentence for a word that is none of them."""
        # In the case of the known ones: a letter of another case is no nearer than another letter.
        spelt = value.upper() if self.choices[0].isupper() else value.lower()
        return f"there is no {value!r}{suggest(spelt, self.choices)}"


class Answer(OneOf):
    """What a person types when asked: a word, the beginning of one, or its number in the list."""

    def __init__(self, choices: Sequence[str]) -> None:
        super().__init__(choices, case_sensitive=False)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word that is meant."""
        typed = value.strip().lower()
        numbered = {str(number): word for number, word in enumerate(self.choices, 1)}
        begun = [word for word in self.choices if typed and word.startswith(typed)]
        meant = numbered.get(typed) or (begun[0] if len(begun) == 1 else typed)
        return super().convert(meant, param, ctx)


class Whole(click.IntRange):
    """A whole number in a range; "integer range" is what click would call a wrong one."""

    name = "integer"
