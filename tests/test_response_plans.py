"""Plans and what was done of them; the plans that come with the gateway."""

from pathlib import Path

from gateway.config.inspection import Inspection
from gateway.config.plans import read_plans, shipped_plans
from gateway.events import PRIORITY_OF_KIND, Kind
from gateway.response_plans import Plan, Step, marked, owed, with_mark

PLAN = Plan(
    kind=Kind.GAS,
    zh="燃气",
    en="gas",
    steps=(Step(zh="关阀", en="close", is_mandatory=True), Step(zh="通风", en="air")),
)


def mark(number: int, text: str, state: str = "done") -> dict[str, object]:
    return {"step": number, "text": text, "state": state, "by": "王", "at": "", "reason": ""}


def test_a_mandatory_step_is_owed_until_it_is_done_or_skipped() -> None:
    assert owed(PLAN, []) == [1]
    assert owed(PLAN, [mark(2, "通风")]) == [1]
    assert owed(PLAN, [mark(1, "关阀", "skipped")]) == []
    assert owed(None, []) == []


def test_a_step_that_is_written_anew_was_done_by_nobody_and_what_was_done_stays() -> None:
    marks = with_mark([], mark(1, "关阀"))
    anew = Plan(
        kind=Kind.GAS, zh="燃气", en="gas", steps=(Step(zh="先疏散", en="out", is_mandatory=True),)
    )
    assert owed(anew, marks) == [1]
    both = with_mark(marks, mark(1, "先疏散"))
    assert [each["text"] for each in both] == ["关阀", "先疏散"]
    assert owed(anew, both) == []


def test_what_is_said_of_a_step_last_counts() -> None:
    marks = with_mark(with_mark([], mark(1, "关阀", "skipped")), mark(1, "关阀"))
    found = marked(marks, 1, PLAN.steps[0])
    assert found is not None
    assert (len(marks), found["state"]) == (1, "done")


def test_every_kind_that_is_an_emergency_or_a_warning_has_a_plan_in_two_languages() -> None:
    inspection = Inspection(Path("/nowhere"))
    plans = read_plans(Path("/nowhere"), inspection)
    assert inspection.faults == []
    urgent = {kind for kind, priority in PRIORITY_OF_KIND.items() if priority <= 2}
    assert urgent <= plans.keys()
    for plan in plans.values():
        assert any(step.is_mandatory for step in plan.steps), plan.kind
        assert all(step.en.isascii() and not step.zh.isascii() for step in plan.steps), plan.kind


def test_a_site_s_own_plan_replaces_the_shipped_one_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    own = (
        'title = "燃气"\ntitle_en = "Gas"\n[[step]]\nzh = "打电话给食堂"\nen = "call the kitchen"\n'
    )
    (tmp_path / "plans" / "gas.toml").write_text(own, "utf-8")
    inspection = Inspection(tmp_path)
    plans = read_plans(tmp_path, inspection)
    assert inspection.faults == []
    assert [step.zh for step in plans[Kind.GAS].steps] == ["打电话给食堂"]
    assert len(plans) == len(list(shipped_plans().glob("*.toml")))
