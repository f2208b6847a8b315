"""Each way to a browser, with stubs on a PATH that holds nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.build import browser

STARTS = "print('Chromium 1.2.3')"
Stub = Callable[[str, str], str]


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """Put a program of that name on the PATH, which is Python source; returns its path."""
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("PATH", str(place))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.delenv("CI", raising=False)
    browser.browser_path.cache_clear()

    def put(name: str, source: str) -> str:
        program = place / name
        program.write_text(f"#!{sys.executable}\n{source}\n")
        program.chmod(0o755)
        return str(program)

    return put


@pytest.fixture(autouse=True)
def forgotten() -> None:
    browser.browser_path.cache_clear()


def writing(program: Path) -> str:
    """Source that puts a browser there, as an installation does."""
    text = f"#!{sys.executable}\n{STARTS}\n"
    return (
        f"import pathlib; program = pathlib.Path({str(program)!r}); program.parent.mkdir(parents=True, exist_ok=True)\n"
        f"program.write_text({text!r}); program.chmod(0o755)"
    )


def playwright(place: Path, *, downloads: bool) -> str:
    """Source of a `playwright` that says where its browser would be, and downloads it or cannot."""
    shell = place / "chrome-headless-shell-linux64" / "chrome-headless-shell"
    refused = "sys.exit('Error: getaddrinfo ENOTFOUND cdn.example.com')"
    return (
        f"import sys\nif '--dry-run' in sys.argv: print('  Install location:    {place}'); sys.exit()\n"
        f"assert sys.argv[1:] == ['install', 'chromium', '--only-shell']\n"
        f"{writing(shell) if downloads else refused}"
    )


@pytest.mark.parametrize("name", browser.NAMES)
def test_it_takes_the_one_on_the_path(name: str, stub: Stub, capsys: pytest.CaptureFixture[str]) -> None:
    path = stub(name, STARTS)
    assert browser.browser_path() == path
    assert browser.main() == 0
    assert capsys.readouterr().out == f"Browser: {path}\n"


def test_it_passes_by_one_that_does_not_start(stub: Stub) -> None:
    """Ubuntu's chromium-browser without its snap, or one whose libraries are missing."""
    stub("chromium", "import sys; sys.exit('requires the chromium snap to be installed')")
    assert browser.browser_path() is None
    assert browser.browser_path.__wrapped__() is None
    path = stub("google-chrome", STARTS)
    assert browser.on_path() == path


def test_it_takes_the_one_that_playwright_has(stub: Stub, tmp_path: Path) -> None:
    stub("playwright", playwright(tmp_path / "shell-1", downloads=True))
    assert browser.browser_path() is None
    browser.output("playwright", "install", "chromium", "--only-shell")
    assert browser.of_playwright() == str(
        tmp_path / "shell-1" / "chrome-headless-shell-linux64" / "chrome-headless-shell"
    )


def test_it_installs_debian_s_package_where_it_is_root(
    stub: Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = tmp_path / "log"
    apt = f"import sys\nwith open({str(log)!r}, 'a') as log: print(*sys.argv[1:], file=log)\n"
    stub(
        "apt-get",
        apt + f"if 'install' in sys.argv:\n  {writing(tmp_path / 'bin' / 'chromium').replace(chr(10), chr(10) + '  ')}",
    )
    stub("playwright", playwright(tmp_path / "never", downloads=True))
    assert browser.main() == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Browser: {tmp_path / 'bin' / 'chromium'}"
    update, install = log.read_text().splitlines()
    assert update.endswith("update")
    assert install.endswith("install -y --no-install-recommends chromium fonts-liberation")
    assert not (tmp_path / "never").exists()


def test_it_downloads_one_where_it_is_not_root(stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub("apt-get", "raise SystemExit('apt-get is for root')")
    stub("playwright", playwright(tmp_path / "shell-1", downloads=True))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert browser.install().startswith(str(tmp_path / "shell-1"))
    assert browser.browser_path() == browser.install()


def test_it_downloads_one_where_the_package_cannot_be_had(stub: Stub, tmp_path: Path) -> None:
    stub("apt-get", "raise SystemExit('E: Unable to locate package chromium')")
    stub("playwright", playwright(tmp_path / "shell-1", downloads=True))
    assert browser.install().startswith(str(tmp_path / "shell-1"))


def test_it_says_so_at_the_start_where_none_can_be_had(
    stub: Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stub("apt-get", "raise SystemExit('E: Unable to locate package chromium')")
    stub("playwright", playwright(tmp_path / "shell-1", downloads=False))
    assert browser.main() == 0
    said = capsys.readouterr().out
    assert "E: Unable to locate package chromium" in said
    assert "Error: getaddrinfo ENOTFOUND cdn.example.com" in said
    assert said.splitlines()[-1] == "Browser: its tests are skipped, everything else runs"


def test_it_fails_at_the_start_under_ci(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert browser.main() == 1
    stub("chromium", STARTS)
    browser.browser_path.cache_clear()
    assert browser.main() == 0
