"""The engine without triage: `errors` is not installed. Run with `--ds=tests.settings_without_errors`."""
