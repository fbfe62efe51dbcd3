"""Response plans (预案): what people do, step by step, when an alarm of a kind comes. Pure.

Owns    what a plan is, what was done of it, and which of its steps are still owed.
Needs   gateway.events for kinds. config/plans.py reads the files.
Keeps   1. What was done is kept with the words that were on the screen: a plan that is written
           anew makes nobody's work another's.
        2. A step counts as done only for the words that were done.
Bound   STEPS_MOST steps; what a plan or a person says is bounded where it comes in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from gateway.events import Kind

STEPS_MOST: Final = 20
State = Literal["done", "skipped"]
Mark = dict[str, Any]
"""One step as an alarm keeps it: step (its number), text, state, by, at, reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing to do. is_mandatory: the alarm is not over without it or a reason."""

    zh: str
    en: str
    is_mandatory: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is done about alarms of one kind; steps count from 1."""

    kind: Kind
    zh: str
    en: str
    steps: tuple[Step, ...]

    def row(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "kind": str(self.kind),
            "title": {"zh": self.zh, "en": self.en},
            "steps": [
                {"n": n, "zh": step.zh, "en": step.en, "mandatory": step.is_mandatory}
                for n, step in enumerate(self.steps, start=1)
            ],
        }

    def step(self, number: int) -> Step | None:
        """Return one step, counted from 1."""
        return self.steps[number - 1] if 0 < number <= len(self.steps) else None


Plans = Mapping[Kind, Plan]


def marked(marks: Iterable[Mark], number: int, step: Step) -> Mark | None:
    """Return what was done of a step, None when nothing was or the step said something else."""
    return next(
        (each for each in marks if each["step"] == number and each["text"] == step.zh), None
    )


def with_mark(marks: Iterable[Mark], mark: Mark) -> list[Mark]:
    """Return the marks with one more, which replaces what was said of the same step before."""
    rest = [each for each in marks if (each["step"], each["text"]) != (mark["step"], mark["text"])]
    return sorted([*rest, mark], key=lambda each: int(each["step"]))[-2 * STEPS_MOST :]


def owed(plan: Plan | None, marks: Sequence[Mark]) -> list[int]:
    """Return the numbers of the mandatory steps that are neither done nor skipped with a reason."""
    if plan is None:
        return []
    return [
        n
        for n, step in enumerate(plan.steps, start=1)
        if step.is_mandatory and marked(marks, n, step) is None
    ]
