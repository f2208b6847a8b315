"""The shipped alert rules: each asks for what /metrics tells, and stands in the runbook."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from batches import metrics
from batches.lifecycle import retention
from tests.helpers.batches import modes, ran
from tests.helpers.places import ROOT

RULES_FILE = ROOT / "docs" / "alerts.yml"
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text()
RULES: list[dict[str, Any]] = yaml.safe_load(RULES_FILE.read_text())["groups"][0]["rules"]
PROMTOOL = shutil.which("promtool")
FIRES = {
    # alert: series as promtool reads them, and after how many minutes it is looked at
    "PortalDown": ('up{job="batchportal"}', "0x10", 5),
    "WorkersDie": ('batchportal_worker_deaths_total{cause="process"}', "0+1x20", 16),
    "ItemsQuarantined": ("batchportal_quarantined_total", "0 0 1x20", 10),
    "DeliveriesPileUp": ('batchportal_deliveries{state="retrying"}', "1500x30", 20),
    "RetentionStopped": ("batchportal_retention_run_seconds", "9000x300", 180),
    "RemovalDrags": ("batchportal_removal_oldest_seconds", "50000x5", 3),
    "DiskFull": ("batchportal_disk_free_ratio", "0.05x5", 3),
}


@pytest.mark.usefixtures("engine")
def test_its_alert_rules_ask_for_what_it_tells() -> None:
    ran(modes("ok", "error"), max_attempts=1)
    retention.run()
    told = metrics.exposition().decode()
    named = set(re.findall(r"batchportal_[a-z_]+", RULES_FILE.read_text()))
    assert len(named) > 8
    assert {name for name in named if f"# TYPE {name} " not in told} == set()


@pytest.mark.any_database
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_each_alert_stands_in_the_runbook(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
    _, found, rest = RUNBOOK.partition(f"\n## {rule['alert']}\n")
    assert found
    section = rest.partition("\n## ")[0]
    assert re.findall(r"^\*\*(.+?)\.\*\*", section, re.MULTILINE) == ["Symptom", "Look here", "Do this"]
    assert rule["labels"]["severity"] in ("page", "ticket")


@pytest.mark.any_database
def test_the_runbook_has_no_other_alerts() -> None:
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == [rule["alert"] for rule in RULES]


@pytest.mark.any_database
@pytest.mark.skipif(PROMTOOL is None, reason="no Prometheus is installed here: promtool is not on the PATH")
def test_prometheus_takes_the_rules_and_fires(tmp_path: Path) -> None:
    cases = {
        "rule_files": [str(RULES_FILE)],
        "evaluation_interval": "1m",
        "tests": [case(alert, *FIRES[alert]) for alert in FIRES],
    }
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(cases))
    for command in (["check", "rules", str(RULES_FILE)], ["test", "rules", str(tmp_path / "cases.yml")]):
        done = subprocess.run([str(PROMTOOL), *command], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.any_database
@pytest.mark.skipif(PROMTOOL is None, reason="no Prometheus is installed here: promtool is not on the PATH")
def test_what_is_well_fires_nothing(tmp_path: Path) -> None:
    series = dict.fromkeys(set(re.findall(r"batchportal_[a-z_]+", RULES_FILE.read_text())), "0x300")
    series |= {"batchportal_disk_free_ratio": "0.5x300", 'up{job="batchportal"}': "1x300"}
    quiet = [{"eval_time": "200m", "alertname": rule["alert"], "exp_alerts": []} for rule in RULES]
    test = {"interval": "1m", "input_series": [{"series": s, "values": v} for s, v in series.items()]}
    cases = {"rule_files": [str(RULES_FILE)], "tests": [test | {"alert_rule_test": quiet}]}
    (tmp_path / "cases.yml").write_text(yaml.safe_dump(cases))
    command = [str(PROMTOOL), "test", "rules", str(tmp_path / "cases.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def case(alert: str, series: str, values: str, minutes: int) -> dict[str, Any]:
    """The rule fires for that series, and with the labels and words that it says."""
    rule = next(rule for rule in RULES if rule["alert"] == alert)
    labels = dict(re.findall(r'(\w+)="([^"]*)"', series)) if "sum(" not in rule["expr"] else {}
    fired = {"exp_labels": labels | rule["labels"], "exp_annotations": rule["annotations"]}
    return {
        "interval": "1m",
        "input_series": [{"series": series, "values": values}],
        "alert_rule_test": [{"eval_time": f"{minutes}m", "alertname": alert, "exp_alerts": [fired]}],
    }
