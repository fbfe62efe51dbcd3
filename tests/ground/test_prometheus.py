"""config/prometheus: every rule is whole, and asks for metrics that the gateway has."""

import re
import shutil
import subprocess

import pytest

from tests.ground.tree import ROOT, texts

FOLDER = ROOT / "config" / "prometheus"
ALERTS = (FOLDER / "alerts.yml").read_text(encoding="utf-8")
RULES = re.split(r"\n +- alert: ", ALERTS)[1:]
SUFFIXES = ("_bucket", "_sum", "_count", "_total")


def offered() -> set[str]:
    """Return every metric name that is written in the gateway's own source."""
    source = "\n".join(
        text for path, text in texts() if path.parts[0] == "gateway" and path.suffix == ".py"
    )
    return set(re.findall(r'"(campus_[a-z_]+)"', source))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.split("\n", 1)[0])
def test_a_rule_says_what_is_wrong_in_both_languages_and_what_to_do(rule: str) -> None:
    for key in ("expr:", "severity:", "summary:", "next:"):
        assert key in rule
    for line in (line for line in rule.splitlines() if re.match(r" +(summary|next):", line)):
        chinese, middle, english = line.partition(" · ")
        assert middle
        assert re.search(r"[\u4e00-\u9fff]", chinese)
        assert re.search(r"[a-z]{2}", english)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.split("\n", 1)[0])
def test_a_rule_asks_for_metrics_that_exist(rule: str) -> None:
    expression = re.search(r"expr: (.*)", rule)
    assert expression
    names = {
        re.sub(rf"({'|'.join(SUFFIXES)})$", "", name)
        for name in re.findall(r"\bcampus_[a-z_]+", expression[1])
    }
    have = {re.sub(rf"({'|'.join(SUFFIXES)})$", "", name) for name in offered()}
    assert names - have == set()


def test_a_rule_names_stages_that_are_measured() -> None:
    source = "\n".join(text for path, text in texts() if path.parts[0] == "gateway")
    stages = re.findall(r'stage="([a-z_]+)"', ALERTS)
    assert stages
    assert [stage for stage in stages if f'stages["{stage}"]' not in source] == []


def test_the_gateways_disappearance_is_an_alert() -> None:
    assert 'up{job="campus-gateway"} == 0' in ALERTS
    assert "job_name: campus-gateway" in (FOLDER / "scrape.yml").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("promtool") is None, reason="this machine has no promtool")
def test_prometheus_reads_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(FOLDER / "alerts.yml")], check=True)
